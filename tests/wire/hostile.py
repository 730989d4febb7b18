"""Envelopes that whoever has the key could sign, and that no sender of ours would make.

`BAD` are the bodies that become dead letters, `STRANGE` those that wait for other settings, and
`BREAKS` are found as they are rendered, if at all: they die, or forge nothing.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

CANARY = "canary-7f3a"
FUTURE = 253_370_764_801  # in the year 9999
HUGE = 10**400

CLAIM = {"key": f"2026-01-31/{'0' * 32}-{'0' * 64}", "size": 1, "encrypted": False}
PART: dict[str, Any] = {
    "kind": "base",
    "modern": False,
    "headers": [["Content-Type", "text/plain"]],
    "payload": CANARY,
}
MODERN = PART | {"kind": "part", "modern": True}
HEADERS = [["Date", "Sat, 31 Jan 2026 12:30:45 +0000"], ["Message-ID", "<1@example.test>"]]
MESSAGE: dict[str, Any] = {
    "api": "django",
    "subject": CANARY,
    "from_email": "from@example.test",
    "to": [f"{CANARY}@example.test"],
    "headers": HEADERS,
    "body": CANARY,
    "charset": "utf-8",
    "attachments": [[f"{CANARY}.txt", "file", "text/plain"]],
    "alternatives": [["<p>Hi</p>", "text/html"]],
}
ENVELOPE: dict[str, Any] = {
    "id": "0" * 32,
    "mailer": "default",
    "queued_at": 1_769_862_645.25,
    "message": MESSAGE,
}


def written(data: object) -> bytes:
    """Return the body of an envelope."""
    return json.dumps(data).encode() + b"\n"


def envelope(**changes: Any) -> bytes:
    return written(ENVELOPE | changes)


def message(**changes: Any) -> bytes:
    return envelope(message=MESSAGE | changes)


def part(**changes: Any) -> bytes:
    return message(attachments=[PART | changes])


def header(value: Any) -> bytes:
    return message(headers=[*HEADERS, ["X-Value", value]])


def nested(depth: int, wrap: Callable[[Any], Any], inner: Any = 1) -> Any:
    for _ in range(depth):
        inner = wrap(inner)
    return inner


def deep(depth: int, before: str, after: str) -> bytes:
    """Return a body whose header is nested so deeply that `json` would not write it."""
    return header("@").replace(b'"@"', f"{before * depth}1{after * depth}".encode())


def bad() -> Iterator[tuple[str, bytes]]:
    yield from fields_of_envelope()
    yield from types_of_message()
    yield from pollution()
    yield from depths()
    yield from contents()
    yield from parts()
    yield from bodies()


def fields_of_envelope() -> Iterator[tuple[str, bytes]]:
    numbers = (HUGE, 1e300, FUTURE, -1, -HUGE, "now", True, None, [], {}, float("nan"))
    for name in ("queued_at", "due_at", "expires_at"):
        for value in (*numbers, float("inf")):
            yield f"{name} {short(value)}", envelope(**{name: value})
        yield f"{name} 1e999", envelope(**{name: "@"}).replace(b'"@"', b"1e999")
    for value in (-1, 2**31, HUGE, 1.5, True, "1", None):
        yield f"attempts {short(value)}", envelope(attempts=value)
    for value in ("", "a/b", "../a", "a\n", "a" * 65, "\u0661", 5, None, ["a"], "a b", "ä"):
        yield f"id {short(value)}", envelope(id=value)
    for value in (None, 1, ["default"], {"default": 1}):
        yield f"mailer {value!r}", envelope(mailer=value)
    for value in ("all", [None], [1], [["a"]], {"a": 1}, ["a@example.test"] * 100_000):
        yield f"recipients {short(value)}", envelope(recipients=value)
    for value in (1, "yes", None, []):
        yield f"resent {value!r}", envelope(resent=value)
    for value in ([], "text", None, 1, {}):
        yield f"message {value!r}", envelope(message=value)


def types_of_message() -> Iterator[tuple[str, bytes]]:
    wrong = (1, True, HUGE, {"x": 1}, [[1]])
    for name in ("api", "subject", "from_email", "to", "cc", "bcc", "reply_to", "headers", "body",
                 "charset", "content_subtype", "alternatives", "attachments", "mime",
                 "recipients", "attributes", "blobs", "claims"):  # fmt: skip
        for value in wrong[: 3 if name == "attributes" else None]:
            yield f"{name} {short(value)}", message(**{name: value})
    for name in ("to", "cc", "bcc", "reply_to", "recipients"):
        yield f"{name}: 100,000", message(**{name: ["a@example.test"] * 100_000})
    for charset in (["ü"] * 6, ["utf-8", 1, 1, "call", 2, 1]):
        yield f"charset {short(charset)}", message(charset=charset)
    for name in ("", "a b", "a:b", "ü", "X\0", "X\n", "X-A: y", "\u2028"):
        yield f"header name {name!r}", message(headers=[*HEADERS, [name, "value"]])
    values = (
        *({"date": "yesterday"}, {"date": HUGE}, {"int": "0x7"}, {"int": "9" * 5000}),
        *({"timedelta": [HUGE, 0, 0]}, {"float": "1e"}, {"decimal": "x"}, {"bytes": "?"}),
        *({"address": ["a", "b\n", "c"]}, {"address": "ab"}, {"group": [1, []]}, {"group": 1}),
        *({"dict": [[[1], 2]]}, {"dict": {"a": 1}}, {"tuple": "ab"}, {"code": "x"}, 1.5),
        *({"date": "2026-01-31", "time": "12:00"}, {}, {"object": "os.system"}),
    )
    for value in values:
        yield f"value {short(value)}", header(value)


def pollution() -> Iterator[tuple[str, bytes]]:
    names = ("__class__", "__dict__", "__init__", "__getattr__", "send", "message", "recipients",
             "connection", "_mime", "_recipients", "body", "to", "extra_headers",
             "encoding", "attach", "a b", "", "1a", "ü-ü")  # fmt: skip
    for name in names:
        yield f"attribute {name!r}", message(attributes={name: CANARY})
    for name in ("__class__", "__dict__", "send", "connection", "_mime", "path", "backend"):
        yield f"field {name}", message(**{name: CANARY})
        yield f"envelope's field {name}", envelope(**{name: CANARY})
        yield f"part's field {name}", part(**{name: CANARY})
    for tag in ("object", "class", "__reduce__", "py/object", "path", "file", "pickle"):
        yield f"content {tag}", message(body={tag: "/etc/passwd"})


def depths() -> Iterator[tuple[str, bytes]]:
    shapes = {"[": "]", '{"tuple":[': "]}", '{"dict":[["a",': "]]}", '{"a":': "}"}
    for depth in (60, 400, 2000, 5000, 100_000):
        for before, after in shapes.items():
            yield f"header {before} {depth}", deep(depth, before, after)
    for depth in (60, 90):
        value = nested(depth, lambda inner: [inner])
        yield f"attribute {depth}", message(attributes={"tags": value})
        attached = nested(depth, lambda inner: PART | {"payload": [inner]}, PART)
        yield f"parts {depth}", message(attachments=[attached])
        yield f"mime {depth}", message(mime=attached, recipients=["a@example.test"])
        within = nested(depth, lambda inner: MESSAGE | {"body": {"message": inner}}, MESSAGE)
        yield f"messages {depth}", envelope(message=within)
    for comments in ("((" * 1000, "(" * 50_000, "(a" * 200 + ")" * 200):
        for name in ("To", "Content-Type", "Date", "Message-ID"):
            data = MODERN | {"headers": [[name, {"parsed": comments}]]}
            yield f"comments {len(comments)} {name}", message(attachments=[data])


def contents() -> Iterator[tuple[str, bytes]]:
    for blobs in ([-1, 1], [5], ["5"], [True], [HUGE], [0] * 2000, {}):
        yield f"blobs {short(blobs)}", message(blobs=blobs)
    for index in (-1, 0, True, "0", HUGE, None):
        yield f"blob {short(index)}", message(body={"blob": index})
        yield f"claim {short(index)}", message(body={"claim": index}, claims=[])
    many = [["a.bin", {"blob": 0}, "a/b"]] * 300
    yield "one blob 300 times", message(attachments=many, blobs=[1000]) + b"x" * 1000
    yield (
        "one claim 300 times",
        message(attachments=[["a.bin", {"claim": 0}, "a/b"]] * 300, claims=[CLAIM]),
    )
    yield "2,000 claims", message(claims=[CLAIM] * 2000)
    key = str(CLAIM["key"])
    for wrong in (f"../{key}", f"/{key}", f"{key}\n", f"{key}/..", key.upper() + "G", "", "a/b",
                  key.replace("2", "\uff12"), f"..\\{key}", key.replace("/", "\\")):  # fmt: skip
        claims = [CLAIM | {"key": wrong}]
        yield f"key {short(wrong)}", message(body={"text_claim": 0}, claims=claims)
    for size in (-1, HUGE, 2**62, True, "1", 1.5):
        claims = [CLAIM | {"size": size}]
        yield f"size {short(size)}", message(body={"text_claim": 0}, claims=claims)
    yield "a storage that is not", message(body={"text_claim": 0}, claims=[CLAIM])


def parts() -> Iterator[tuple[str, bytes]]:
    for kind in ("os", "Message", "email.message.Message", 1, None):
        yield f"kind {kind!r}", part(kind=kind)
    for value in ("b\nc", "b\r\nBcc: e", "b\r", None, 1, {}, {"parsed": "b\nc"}, {"parsed": 1},
                  {"chunks": [["a", "ü"]], "named": True}, {"chunks": [["a"]], "named": True},
                  {"chunks": [["ü€", None]], "named": True}, {"chunks": 1, "named": True},
                  {"chunks": [["\xff", "no such"]], "named": True}):  # fmt: skip
        yield f"part's header {short(value)}", part(headers=[["X-A", value]])
    for name in ("X\nBcc", "", "X Y", 1, None, "X:"):
        yield f"part's header name {name!r}", part(headers=[[name, "value"]])
    for payload in (1, True, ["text"], {"blob": 0}, {"x": 1}):
        yield f"payload {payload!r}", part(payload=payload)


def bodies() -> Iterator[tuple[str, bytes]]:
    for body in (b"", b"\n", b"{}", b"null\n", b"[]\n", b"{\n", b"\xff\n", b"1\n", b'"x"\n',
                 b"[" * 100_000 + b"\n", b"9" * 5000 + b"\n", b"NaN\n", b"\x00" * 100):  # fmt: skip
        yield f"body {body[:12]!r}", body
    yield "body cut off", envelope()[:-20]
    yield "a tail", envelope() + b"tail"
    for field in ENVELOPE:
        yield f"no {field}", written({name: ENVELOPE[name] for name in ENVELOPE if name != field})
    for field in ("api", "headers", "charset"):
        rest = {name: MESSAGE[name] for name in MESSAGE if name != field}
        yield f"no {field}", envelope(message=rest)


def strange() -> Iterator[tuple[str, bytes]]:
    for name in ("not_in_my_settings", "queue_options", "anymail_status", "policy", "sent_using"):
        data = MESSAGE | {"attributes": {name: CANARY}}
        yield f"attribute {name}", envelope(message=data, queued_at=4_000_000_000)
    for mailer in ("unknown", "", "smtp", "../default", "a\nb", "\udce9"):
        yield f"mailer {mailer!r}", envelope(mailer=mailer, queued_at=4_000_000_000)
    yield "due later", envelope(due_at=4_000_000_000)


def breaks() -> Iterator[tuple[str, bytes]]:
    for charset in ("no such", "ü", "\udce9", "", "utf-8\0"):
        yield f"charset {charset!r}", message(charset=charset)
    line_ends = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\0")
    for end in line_ends:
        text = f"a{end}Bcc: evil@evil.test{end}X-Evil : e{end}{end}EVIL"
        for name in ("subject", "from_email", "content_subtype"):
            yield f"{name} {end!r}", message(**{name: text})
        for name in ("to", "cc", "reply_to"):
            yield f"{name} {end!r}", message(**{name: [f"{text} <to@example.test>"]})
        yield f"header {end!r}", header(text)
        yield f"Message-ID {end!r}", message(headers=[["Message-ID", text]])
        yield f"file name {end!r}", message(attachments=[[text, "file", "text/plain"]])
        yield f"file type {end!r}", message(attachments=[["a.txt", "file", f"text/{text}"]])
        yield f"alternative {end!r}", message(alternatives=[["<p>Hi</p>", f"text/{text}"]])
        yield f"part {end!r}", part(headers=[["Content-Type", "text/plain"], ["X-A", text]])


def short(value: object) -> str:
    written = repr(value) if value != HUGE and value != -HUGE else "huge"
    return written if len(written) < 60 else f"{written[:50]}..."


BAD = dict(bad())
STRANGE = dict(strange())
BREAKS = dict(breaks())
