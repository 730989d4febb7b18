"""Raw messages, as anybody with access to the broker could put them on a mail queue.

`ALTERED` are messages whose argument is a mail's: it is delivered, whatever stands around it.
`UNFIT` are messages that hold no argument of ours: dead letters. Each is a change to `message()`.
"""

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

from mailqueue.broker.message import body_of, headers_of

Message = dict[str, Any]
Change = Callable[[Message], object]

CANARY = "canary-7f3a"


def message(argument: str = CANARY) -> Message:
    """Make a good message: its body, headers, content type and encoding."""
    headers = headers_of("0a1b2c", origin="stranger")
    return {"body": body_of(argument), "headers": headers, "type": "application/json",
            "encoding": "utf-8", "properties": {}}  # fmt: skip


def header(name: str, value: Any) -> Change:
    return lambda made: made["headers"].update({name: value})


def without(name: str) -> Change:
    return lambda made: made["headers"].pop(name)


def body(text: str | bytes) -> Change:
    data = text.encode() if isinstance(text, str) else text
    return lambda made: made.update(body=data)


def embedded(value: object) -> Change:
    def change(made: Message) -> None:
        args, kwargs, _ = json.loads(made["body"])
        made["body"] = json.dumps([args, kwargs, value]).encode()

    return change


def prop(name: str, value: Any) -> Change:
    return lambda made: made["properties"].update({name: value})


ALTERED: dict[str, Change] = {
    "id list": header("id", ["x"]),
    "id int": header("id", 7),
    "id empty": header("id", ""),
    "id long": header("id", "x" * 10_000),
    "id absent": without("id"),
    "eta garbage": header("eta", "garbage"),
    "eta huge": header("eta", "9999-12-31T23:59:59+00:00"),
    "eta of another zone": header("eta", "9999-12-31T23:59:59.999999-23:59"),
    "eta naive": header("eta", "2100-01-01T00:00:00"),
    "eta past": header("eta", "1970-01-01T00:00:00+00:00"),
    "eta int": header("eta", 2**40),
    "eta list": header("eta", [1]),
    "expires past": header("expires", "1970-01-01T00:00:00+00:00"),
    "expires garbage": header("expires", "garbage"),
    "expires list": header("expires", [1]),
    "timelimit int": header("timelimit", 1),
    "timelimit text": header("timelimit", "short"),
    "timelimit five": header("timelimit", [1, 2, 3, 4, 5]),
    "timelimit negative": header("timelimit", [-1, -1]),
    "timelimit tiny": header("timelimit", [0.001, 0.001]),
    "retries text": header("retries", "many"),
    "retries huge": header("retries", 2**62),
    "root_id list": header("root_id", [1]),
    "parent_id dict": header("parent_id", {"a": 1}),
    "argsrepr list": header("argsrepr", [CANARY]),
    "kwargsrepr int": header("kwargsrepr", 1),
    "shadow list": header("shadow", [CANARY]),
    "group dict": header("group", {"a": [1]}),
    "origin int": header("origin", 1),
    "ignore_result text": header("ignore_result", "no"),
    "stamps list": header("stamps", [1]),
    "stamped_headers int": header("stamped_headers", 1),
    "a header too many": header("x-delivery-count-of-mine", CANARY),
    "callbacks": embedded({"callbacks": [{"task": CANARY}], "chord": CANARY, "chain": [1]}),
    "nothing embedded": embedded(None),
    "embedded NaN": embedded(float("nan")),
    "priority": prop("priority", 255),
    "reply_to": prop("reply_to", CANARY),
}

BOMB = zlib.compress(b"[[" + b" " * 50_000_000)

UNFIT: dict[str, Change] = {
    "no headers": lambda made: made["headers"].clear(),
    "task list": header("task", ["mailqueue.deliver"]),
    "task dict": header("task", {"mailqueue.deliver": 1}),
    "task int": header("task", 1),
    "task none": header("task", None),
    "task of another": header("task", "someone.elses"),
    "compressed": lambda made: (header("compression", "application/x-gzip")(made),
                                made.update(body=zlib.compress(made["body"]))),
    "bomb": lambda made: (header("compression", "application/x-gzip")(made),
                          made.update(body=BOMB)),
    "compression unknown": header("compression", "shrink"),
    "compression list": header("compression", [1]),
    "type pickle": lambda made: made.update(type="application/x-python-serialize"),
    "type yaml": lambda made: made.update(type="application/x-yaml"),
    "type unknown": lambda made: made.update(type="text/canary"),
    "encoding bogus": lambda made: made.update(encoding="no-such-charset"),
    "encoding other": lambda made: made.update(encoding="utf-16"),
    "body empty": body(""),
    "body binary": body(b"\x80\x04\xff" + CANARY.encode()),
    "body null": body("null"),
    "body no JSON": body("{" + CANARY),
    "body number": body("1" * 5000),
    "body NaN": body("NaN"),
    "body deep": body("[" * 100_000),
    "body utf-16": body(f'[["{CANARY}"],{{}},{{}}]'.encode("utf-16")),
    "protocol 1": body(json.dumps({"task": "mailqueue.deliver", "id": "1", "args": [CANARY]})),
    "two arguments": body(json.dumps([[CANARY, CANARY], {}, {}])),
    "no argument": body("[[],{},{}]"),
    "argument int": body("[[1],{},{}]"),
    "argument list": body(json.dumps([[[CANARY]], {}, {}])),
    "argument dict": body(json.dumps([[{"a": CANARY}], {}, {}])),
    "argument null": body("[[null],{},{}]"),
    "argument surrogate": body('[["\\ud800"],{},{}]'),
    "a keyword": body(json.dumps([[CANARY], {"x": CANARY}, {}])),
    "keywords list": body(json.dumps([[CANARY], [1], {}])),
    "four parts": body(json.dumps([[CANARY], {}, {}, {}])),
}  # fmt: skip


def kombus(made: Message) -> Message:
    """Return what kombu writes to Redis for a message."""
    return {
        "body": base64.b64encode(made["body"]).decode(),
        "content-type": made["type"],
        "content-encoding": made["encoding"],
        "headers": made["headers"],
        "properties": {
            "body_encoding": "base64",
            "delivery_mode": 2,
            "delivery_tag": "tag",
            "delivery_info": {"exchange": "", "routing_key": "x"},
            "priority": 0,
            **made["properties"],
        },
    }


def at(*path: str, value: Any) -> Change:
    def change(made: Message) -> None:
        for name in path[:-1]:
            made = made[name]
        made[path[-1]] = value

    return change


def gone(*path: str) -> Change:
    def change(made: Message) -> None:
        for name in path[:-1]:
            made = made[name]
        del made[path[-1]]

    return change


# Changes to `kombus()`, on Redis alone.
ALTERED_ON_REDIS: dict[str, Change] = {
    "routing key of another": at("properties", "delivery_info", "routing_key", value="other"),
    "routing key list": at("properties", "delivery_info", "routing_key", value=[1]),
    "delivery_info text": at("properties", "delivery_info", value="x"),
    "delivery_info gone": gone("properties", "delivery_info"),
    "delivery_tag list": at("properties", "delivery_tag", value=[1]),
    "delivery_tag dict": at("properties", "delivery_tag", value={"a": 1}),
    "delivery_tag gone": gone("properties", "delivery_tag"),
    "priority text": at("properties", "priority", value="high"),
    "priority list": at("properties", "priority", value=[1]),
}
UNFIT_ON_REDIS: dict[str, Change] = {
    "encoding list": at("content-encoding", value=["utf-8"]),
    "encoding int": at("content-encoding", value=8),
    "encoding gone": gone("content-encoding"),
    "type list": at("content-type", value=[1]),
    "type gone": gone("content-type"),
    "headers list": at("headers", value=[CANARY]),
    "headers text": at("headers", value=CANARY),
    "headers gone": gone("headers"),
    "headers null": at("headers", value=None),
    "properties list": at("properties", value=[CANARY]),
    "properties gone": gone("properties"),
    "body int": at("body", value=7),
    "body list": at("body", value=[CANARY]),
    "body gone": gone("body"),
    "body no base64": at("body", value=CANARY),
    "body_encoding unknown": at("properties", "body_encoding", value="rot13"),
    "body_encoding list": at("properties", "body_encoding", value=[1]),
}
# Whole items of the list.
ITEMS: dict[str, bytes] = {
    "garbage": CANARY.encode(),
    "empty": b"",
    "binary": b"\xff\xfe" + CANARY.encode(),
    "number": b"1",
    "null": b"null",
    "list": b"[]",
    "mapping": b"{}",
    "text": b'"x"',
    "NaN": b"NaN",
    "deep": b"[" * 100_000,
    "deep mapping": b'{"a":' * 50_000,
    "cut off": json.dumps(kombus(message())).encode()[:-20],
    "NUL": b"\x00" * 100,
}


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


# Properties that py-amqp writes and cannot read again.
PROPERTIES: dict[str, dict[str, Any]] = {
    "correlation_id": {"correlation_id": b"\xff" + CANARY.encode()},
    "type": {"type": b"\xff"},
    "expiration": {"message_id": b"\xff"},
    "app_id": {"app_id": b"\xff"},
    "content_type": {"content_type": b"\xff"},
    "deep headers": {"application_headers": nested(150)},
}
