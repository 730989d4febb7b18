"""Data that `encode` never writes is a `DecodeError`, whoever signed it."""

from collections.abc import Callable
from typing import Any

import pytest

from mailqueue.codec import decode
from mailqueue.codec.attributes import UnknownAttribute
from mailqueue.errors import DecodeError
from tests.wire.messages import PNG, attached, image, multi, with_
from tests.wire.render import data_of

HEADERS: list[list[Any]] = [["Date", "d"], ["Message-ID", "<i@x>"]]
MESSAGE: dict[str, Any] = {"api": "django", "headers": HEADERS, "charset": "utf-8"}
CLAIM = {"key": f"2026-01-31/{'0' * 32}-{'0' * 64}", "size": 1, "encrypted": False}
PART: dict[str, Any] = {
    "kind": "base",
    "modern": False,
    "headers": [["Content-Type", "text/plain"]],
    "payload": "text",
}


def test_the_least_message_is_one() -> None:
    assert decode(MESSAGE).body == ""
    assert decode(MESSAGE | {"attachments": [PART]}).attachments[0].get_payload() == "text"


@pytest.mark.parametrize(
    "change",
    [
        {"secret": 1},
        {"api": "os"},
        {"api": None},
        {"subject": 1},
        {"from_email": ["a"]},
        {"to": "a@example.test"},
        {"to": [1]},
        {"cc": {}},
        {"headers": {}},
        {"headers": [["X"]]},
        {"headers": [["X-A\nB", "b"]]},
        {"headers": [["X-A: y", "b"]]},
        {"headers": [["", "b"]]},
        {"headers": [[1, "b"]]},
        {"headers": [["X", "1"], ["X", "2"]]},
        {"headers": [["X", {"code": "x"}]]},
        {"headers": [["X", {"date": "yesterday"}]]},
        {"headers": [["X", {"date": "2026-01-31", "time": "12:00"}]]},
        {"headers": [["X", {"address": ["a", "b\n", "c"]}]]},
        {"headers": [["X", {"address": ["a", "b"]}]]},
        {"headers": [["X", {"bytes": "?"}]]},
        {"headers": [["X", {"int": "0x7"}]]},
        {"headers": [["X", 1.5]]},
        {"body": None},
        {"body": 1},
        {"body": {"path": "/etc/passwd"}},
        {"body": {"blob": 0}},
        {"body": {"blob": -1}, "blobs": [b""]},
        {"body": {"blob": True}, "blobs": [b"", b""]},
        {"body": {"claim": 0}},
        {"blobs": ["text"]},
        {"blobs": {}},
        {"claims": {}},
        {"claims": [1]},
        {"charset": 1},
        {"charset": ["utf-8"]},
        {"charset": ["utf-8", 1, "call", None, None, None]},
        {"charset": [None, 1, 1, None, None, None]},
        {"content_subtype": None},
        {"alternatives": {}},
        {"alternatives": ["text"]},
        {"alternatives": [["text"]]},
        {"attachments": "a"},
        {"attachments": ["/etc/passwd"]},
        {"attachments": [["name", "content"]]},
        {"attachments": [[1, "content", "a/b"]]},
        {"mime": "text"},
        {"recipients": "all"},
        {"recipients": [1]},
        {"charset": ["ü", 1, 1, None, None, None]},
        {"to": ["a@example.test"] * 10_001},
        {"recipients": ["a@example.test"] * 10_001},
        {"blobs": [b""] * 1001},
        {"claims": [CLAIM] * 1001},
        {"blobs": [b""] * 501, "claims": [CLAIM] * 500},
        {"body": {"blob": 0}, "attachments": [["a", {"blob": 0}, "a/b"]], "blobs": [b"x"]},
        {"claims": [CLAIM | {"size": 10**400}]},
        {"claims": [CLAIM | {"size": 2**31 + 1}]},
        {"claims": [CLAIM | {"key": CLAIM["key"].replace("2", "\uff12")}]},
        {"claims": [CLAIM | {"key": f"../{CLAIM['key']}"}]},
        {"attributes": []},
        {"attributes": {"tags": {"object": "os.system"}}},
    ],
    ids=repr,
)
def test_a_wrong_message_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(MESSAGE | change)
    assert "passwd" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("missing", ["api", "headers", "charset"])
def test_a_missing_field_is_refused(missing: str) -> None:
    with pytest.raises(DecodeError, match=f"'{missing}' is missing"):
        decode({name: value for name, value in MESSAGE.items() if name != missing})


@pytest.mark.parametrize(
    "change",
    [
        {"secret": 1},
        {"kind": "email.message.Message"},
        {"modern": 1},
        {"headers": [["X-A\nBcc", "b"]]},
        {"headers": [["X-A", "b\nBcc: c@example.test"]]},
        {"headers": [["X-A", "b\rBcc: c@example.test"]]},
        {"headers": [["X-A", "b\x0bBcc: c@example.test"]]},
        {"headers": [["X-A", "b\u2028Bcc: c@example.test"]]},
        {"headers": [["X-A", {"parsed": "b\nc"}]]},
        {"headers": [["X-A", {"parsed": "b\x1cc"}]]},
        {"headers": [["X-A", {"parsed": "=?utf-8?q?b=0Ac?="}]]},
        {"headers": [["X-A", {"chunks": [["b\nc", None]], "named": True}]]},
        {"headers": [["X-A", {"chunks": [["b\x85c", "latin-1"]], "named": True}]]},
        {"headers": [["X-A", {"parsed": "b", "more": 1}]]},
        {"headers": [["X-A", {"chunks": [["ü€", None]], "named": True}]]},
        {"headers": [["X-A", {"chunks": [["a", 1]], "named": True}]]},
        {"headers": [["X-A", {"chunks": [["a"]], "named": True}]]},
        {"headers": [["X-A", {"chunks": [["\xff", "no such charset"]], "named": True}]]},
        {"headers": [["X-A", {"chunks": [["a", "ü"]], "named": True}]]},
        {"headers": [["To", {"parsed": "((" * 1000}]]},
        {"headers": [["X-A", {}]]},
        {"headers": [["X-A", None]]},
        {"payload": 1},
        {"payload": ["text"]},
        {"payload": {"blob": 0}},
        {"payload": {"text_claim": 0}},
        {"preamble": 1},
        {"default_type": []},
    ],
    ids=repr,
)
def test_a_wrong_part_is_refused(change: dict[str, Any]) -> None:
    part = PART | change
    for data in (
        {"attachments": [part]},
        {"mime": part},
        {"attachments": [["a.eml", {"mime": part}, "message/rfc822"]]},
        {"attachments": [PART | {"payload": [part]}]},
    ):
        with pytest.raises(DecodeError):
            decode(MESSAGE | data)


def test_nesting_is_bounded() -> None:
    part, message = dict(PART), dict(MESSAGE)
    for _ in range(60):
        part = PART | {"payload": [part]}
        message = MESSAGE | {"body": {"message": message}}
    for data in (MESSAGE | {"attachments": [part]}, message):
        with pytest.raises(DecodeError, match="nested deeper"):
            decode(data)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: [value],
        lambda value: {"tuple": [value]},
        lambda value: {"dict": [["key", value]]},
    ],
    ids=["list", "tuple", "dict"],
)
def test_nesting_of_values_is_bounded(wrap: Callable[[Any], Any]) -> None:
    value: Any = "innermost"
    for _ in range(60):
        value = wrap(value)
    for data in ({"headers": [*HEADERS, ["X-Deep", value]]}, {"attributes": {"deep": value}}):
        with pytest.raises(DecodeError, match="nested deeper"):
            decode(MESSAGE | data, attributes=["deep"])


def test_a_stored_content_is_used_once() -> None:
    use: dict[str, Any] = {"claims": [CLAIM], "body": {"text_claim": 0}}
    assert decode(MESSAGE | use, fetch=lambda claim: b"text").body == "text"
    for tag in ("claim", "text_claim"):
        twice = use | {"attachments": [["a.txt", {tag: 0}, "text/plain"]]}
        with pytest.raises(DecodeError, match="used before"):
            decode(MESSAGE | twice, fetch=lambda claim: b"text")


def test_an_attribute_that_is_not_named_is_told_apart() -> None:
    data = MESSAGE | {"attributes": {"tags": ["a"]}}
    assert decode(data, attributes=["tags"]).tags == ["a"]  # type: ignore[attr-defined]
    with pytest.raises(UnknownAttribute):
        decode(data, attributes=["metadata"])


def test_the_data_is_left_alone() -> None:
    message = with_(
        multi(), attachments=[*attached("a.png", PNG, "image/png").attachments, image()]
    )
    data = data_of(message, attributes=["tags"])
    before = repr(data)
    decode(data, attributes=["tags"])
    assert repr(data) == before
