"""What lies on a list in Redis is read the same, however it is written."""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailqueue.bootsteps.sound import is_base64, sound

encoded = st.binary().map(lambda data: base64.b64encode(data).decode())
bodies = encoded | st.text() | st.text("ab/+=\"\\, {}:'", max_size=9) | st.none() | st.integers()


def read(message: dict[str, Any], **how: Any) -> dict[str, Any]:
    """Return what kombu reads of it, but for the tag, which is always new."""
    found: dict[str, Any] = json.loads(sound(json.dumps(message, **how).encode(), "mail"))
    assert len(found["properties"].pop("delivery_tag")) == 36
    return found


@given(bodies, st.sampled_from(["base64", None]), st.booleans())
@example('", "headers": {}, "properties": {}, "x": "', None, True)
@example('\\", ', None, True)
def test_a_body_is_the_same_before_the_rest_and_behind_it(body, encoding, ascii_only) -> None:
    rest = {"headers": {"task": "a", "x": '", '}, "properties": {"body_encoding": encoding}}
    rest |= {"content-type": "application/json", "content-encoding": "utf-8"}
    message, turned = {"body": body} | rest, rest | {"body": body}
    found = read(message, ensure_ascii=ascii_only)
    if found["content-type"] == "application/json":
        assert found == read(turned, ensure_ascii=ascii_only)
        kept = base64.b64decode(found["body"], validate=True)
        assert kept == (base64.b64decode(body) if encoding else body.encode())
    else:
        assert read(turned, ensure_ascii=ascii_only)["content-type"] == found["content-type"]
        assert (
            base64.b64decode(found["body"]) == json.dumps(message, ensure_ascii=ascii_only).encode()
        )


def test_of_two_bodies_the_last_one_counts_as_in_all_json() -> None:
    rest = '"headers": {}, "properties": {"body_encoding": "base64"}, "body": "Qg=="'
    assert json.loads(sound(f'{{"body": "QQ==", {rest}}}'.encode(), "mail"))["body"] == "Qg=="


@given(st.binary() | encoded.map(str.encode) | st.text("Aa/+=", max_size=9).map(str.encode))
def test_what_is_base64_can_be_decoded_and_nothing_is_passed_over(body: bytes) -> None:
    try:
        strictly = base64.b64decode(body, validate=True)
    except ValueError:
        assert not is_base64(body)
    else:
        assert is_base64(body)
        assert base64.b64decode(body) == strictly


@pytest.mark.parametrize(
    "item", [b"", b'{"body": "', b'{"body": "QQ==", ', b'{"body": "", }', b"[]"]
)
def test_what_is_cut_off_is_a_body_itself(item: bytes) -> None:
    made = json.loads(sound(item, "mail"))
    assert made["content-type"] == "application/octet-stream"
    assert base64.b64decode(made["body"]) == item
