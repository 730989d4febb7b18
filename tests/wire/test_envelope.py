"""Packed envelopes: authentic, private, bounded, and garbage is refused with the right error."""

import base64
import dataclasses
import json
import logging
import sys
from typing import Any

import pytest
from django.core import signing
from hypothesis import given, settings
from hypothesis import strategies as st

from mailqueue.codec import decode
from mailqueue.errors import BadSignature, DecodeError, EncodeError, UnsupportedVersion
from mailqueue.wire.envelope import NESTING, Envelope, Keys, pack, unpack
from mailqueue.wire.signature import keys_from_settings, worker_keys
from tests.wire.messages import PNG, multi, plain
from tests.wire.render import data_of
from tests.wire.stored import PACKED, TRACEPARENT

KEYS = Keys(["first", "second"])
ONE, TWO = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))


def envelope(**fields: Any) -> Envelope:
    values: dict[str, Any] = {
        "id": "0123456789abcdef" * 2,
        "mailer": "default",
        "queued_at": 1769862645.25,
        "message": data_of(plain(attachments=[("a.png", PNG, None), ("b", b"", "a/b")])),
    }
    return Envelope(**{**values, **fields})


FULL = {
    "recipients": ("a@example.test", "ü@example.test"),
    "attempts": 3,
    "resent": True,
    "due_at": 1.5,
    "expires_at": 2.0,
    "traceparent": TRACEPARENT,
}


@pytest.mark.parametrize("fields", [{}, FULL, {"recipients": ()}, {"due_at": 0.0}])
@pytest.mark.parametrize("encryption_keys", [(), (ONE,)])
def test_what_is_packed_is_unpacked(fields: dict[str, Any], encryption_keys: Any) -> None:
    keys = Keys(["k"], encryption_keys)
    text = pack(envelope(**fields), keys)
    assert PACKED.fullmatch(text)
    assert unpack(text, keys) == envelope(**fields)


def test_the_envelope_is_left_alone() -> None:
    original = envelope()
    before = dataclasses.replace(original, message=dict(original.message))
    pack(original, KEYS)
    assert original == before


def test_keys_rotate() -> None:
    text = pack(envelope(), Keys(["old"]))
    assert unpack(text, Keys(["new", "old"])) == envelope()
    with pytest.raises(BadSignature):
        unpack(text, Keys(["new"]))


def test_keys_come_from_settings(settings: Any) -> None:
    text = pack(envelope(), keys_from_settings())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert unpack(text, worker_keys()) == envelope()
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(BadSignature):
        unpack(text, worker_keys())


def test_a_signature_made_for_another_purpose_does_not_count() -> None:
    signed, _, _ = pack(envelope(), KEYS).rpartition(":")
    for salt in ("django.core.signing.Signer", "mailqueue"):
        with pytest.raises(BadSignature):
            unpack(signing.Signer(key="first", salt=salt, fallback_keys=[]).sign(signed), KEYS)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_one_changed_character_is_refused(data: st.DataObject) -> None:
    text = pack(envelope(), KEYS)
    place = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.characters(codec="ascii").filter(lambda char: char != text[place]))
    with pytest.raises(DecodeError):
        unpack(text[:place] + char + text[place + 1 :], KEYS)


@given(st.text(max_size=40) | st.from_regex(r"\A1\.json\.[A-Za-z0-9+/=]*:[a-z]*\Z"))
@settings(max_examples=100, deadline=None)
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        unpack(text, KEYS)


@pytest.mark.parametrize("text", [None, 1, b"1.json.", ["1"], {}])
def test_what_is_no_text_is_refused(text: Any) -> None:
    with pytest.raises(DecodeError, match="expected str"):
        unpack(text, KEYS)


def test_a_cut_off_envelope_is_refused() -> None:
    text = pack(envelope(), KEYS)
    for length in range(0, len(text), 50):
        with pytest.raises(DecodeError):
            unpack(text[:length], KEYS)


def test_a_later_version_is_told_from_a_forgery() -> None:
    with pytest.raises(UnsupportedVersion, match="version 2 of the wire"):
        unpack("2.whatever it may be", KEYS)
    with pytest.raises(BadSignature):
        unpack("1.json.e30=:forged", KEYS)


def signed(body: bytes, form: str = "json") -> str:
    return KEYS.sign(f"1.{form}.{base64.b64encode(body).decode()}")


GOOD: dict[str, Any] = {"id": "a", "mailer": "default", "queued_at": 1, "message": {}}


@pytest.mark.parametrize(
    "change",
    [
        {"id": 5},
        {"id": "a/b"},
        {"id": ""},
        {"mailer": None},
        {"queued_at": "now"},
        {"queued_at": True},
        {"queued_at": float("nan")},
        {"due_at": float("inf")},
        {"queued_at": 10**400},
        {"due_at": 10**400},
        {"expires_at": 1e300},
        {"expires_at": 253_402_300_800},  # the year 10000
        {"queued_at": -1},
        {"attempts": -1},
        {"attempts": 2**31},
        {"attempts": 1.5},
        {"attempts": True},
        {"resent": 1},
        {"recipients": "all"},
        {"recipients": [None]},
        {"message": []},
        {"message": {"blobs": {}}},
        {"message": {"blobs": [-1, 1]}},
        {"message": {"blobs": [5]}},
        {"message": {"blobs": ["5"]}},
        {"traceparent": 1},
        {"traceparent": ""},
        {"traceparent": f"{TRACEPARENT}\n"},
        {"traceparent": TRACEPARENT.upper()},
        {"traceparent": f"01{TRACEPARENT[2:]}"},
        {"unknown": 1},
        {"message": {"headers": float("nan")}},
        {"__class__": "envelope"},
    ],
)
def test_a_wrong_field_is_refused_though_signed(change: dict[str, Any]) -> None:
    assert unpack(signed(json.dumps(GOOD).encode() + b"\n"), KEYS).id == "a"
    with pytest.raises(DecodeError):
        unpack(signed(json.dumps(GOOD | change).encode() + b"\n"), KEYS)


@pytest.mark.parametrize("missing", GOOD)
def test_a_missing_field_is_refused(missing: str) -> None:
    fields = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(DecodeError, match="missing"):
        unpack(signed(json.dumps(fields).encode() + b"\n"), KEYS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null\n",
        b"[]\n",
        b"{\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b"9" * 5000 + b"\n",
    ],
)
@pytest.mark.parametrize("form", ["json", "aesgcm", "zip", ""])
def test_a_wrong_body_is_refused_though_signed(body: bytes, form: str) -> None:
    with pytest.raises(DecodeError):
        unpack(signed(body, form), KEYS)


@pytest.mark.parametrize("text", ["1.json.\ud800:x", "1.json.e30=:\ud800", "1.json.\u0661:x"])
def test_what_is_not_ascii_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="not an envelope"):
        unpack(text, KEYS)


@pytest.mark.parametrize("depth", [NESTING, 5000])
@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded(depth: int, before: str, after: str) -> None:
    inner = before * depth + "1" + after * depth
    body = json.dumps(GOOD | {"message": {"headers": 0}}).replace("0", inner)
    with pytest.raises(DecodeError):
        unpack(signed(body.encode() + b"\n"), KEYS)


def test_the_deepest_message_fits() -> None:
    value: Any = "innermost"
    for _ in range(50):
        value = {"key": value}
    message = plain(headers={"X-Deep": value})
    for _ in range(20):
        message = plain(attachments=[("a.eml", message, "message/rfc822")])
    text = pack(envelope(message=data_of(message)), KEYS)
    assert decode(unpack(text, KEYS).message).subject == "Subject"


def test_what_is_read_can_be_written_again() -> None:
    """A dead letter and a next attempt are packed from what was unpacked."""
    for number in ("1e999", "-1e999", "NaN", "Infinity"):
        body = json.dumps(GOOD | {"message": {"body": 0}}).replace("0", number)
        with pytest.raises(DecodeError):
            unpack(signed(body.encode() + b"\n"), KEYS)


def test_whatever_fails_is_a_decode_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: object, rest: bytes) -> None:
        raise MemoryError("secret")

    monkeypatch.setattr("mailqueue.wire.envelope._read", fail)
    with pytest.raises(DecodeError, match="MemoryError") as caught:
        unpack(pack(envelope(), KEYS), KEYS)
    assert "secret" not in str(caught.value)


def test_sizes_are_bounded_on_both_sides() -> None:
    text = pack(envelope(), KEYS)
    assert pack(envelope(), KEYS, limit=len(text)) == text
    with pytest.raises(EncodeError, match=f"{len(text)} bytes when packed"):
        pack(envelope(), KEYS, limit=len(text) - 1)
    with pytest.raises(DecodeError, match="are allowed"):
        unpack(text, KEYS, limit=len(text) - 1)


def test_encryption_hides_all_and_rotates() -> None:
    message = plain(subject="canary", body="canary", to=["canary@example.test"])
    text = pack(envelope(message=data_of(message)), Keys(["k"], [ONE]))
    body = base64.b64decode(text.split(".", 2)[2].rpartition(":")[0])
    assert b"canary" not in body
    assert b"default" not in body
    assert unpack(text, Keys(["k"], [TWO, ONE])).message == data_of(message)
    for keys in (Keys(["k"], [TWO]), Keys(["k"])):
        with pytest.raises(DecodeError, match="no encryption key"):
            unpack(text, keys)


def test_equal_messages_do_not_look_equal_when_encrypted() -> None:
    keys = Keys(["k"], [ONE])
    assert pack(envelope(), keys) != pack(envelope(), keys)


def test_what_was_queued_before_the_keys_came_is_read() -> None:
    assert unpack(pack(envelope(), Keys(["k"])), Keys(["k"], [ONE])) == envelope()


@pytest.mark.parametrize("key", ["", "short", ONE[:-4], ONE + "AAAA", b"x" * 32, None, "ü" * 44])
def test_a_bad_encryption_key_is_refused_without_being_shown(key: Any) -> None:
    with pytest.raises(ValueError, match="32 bytes in URL-safe base64") as caught:
        Keys(["k"], [key])
    assert not key or str(key) not in str(caught.value)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ValueError, match=r"mailqueue\[encryption\]"):
        Keys(["k"], [ONE])


def test_a_worker_opens_what_any_mailer_packed(settings: Any) -> None:
    settings.MAILERS = {
        "a": {"BACKEND": "x", "OPTIONS": {"encryption_keys": [ONE]}},
        "b": {"BACKEND": "x", "OPTIONS": {"encryption_keys": [TWO]}},
        "c": {},
    }
    for key in (ONE, TWO):
        text = pack(envelope(), keys_from_settings([key]))
        assert unpack(text, worker_keys()) == envelope()


def test_nothing_readable_in_repr_or_errors() -> None:
    full = envelope(message=data_of(multi(to=["canary@example.test"])), **FULL)
    assert "example.test" not in repr(full)
    assert "first" not in repr(KEYS)
    damaged = dict(full.message)
    damaged["to"] = {"canary": "canary"}
    with pytest.raises(DecodeError) as caught:
        decode(damaged)
    assert "canary" not in repr(caught.value)


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        decode(unpack(pack(envelope(), KEYS), KEYS).message)
        with pytest.raises(BadSignature):
            unpack("1.json.canary:x", KEYS)
    assert caplog.text == ""
