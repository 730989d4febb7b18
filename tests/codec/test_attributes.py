"""Extra attributes travel by name; anymail's without being asked."""

import enum
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from email.headerregistry import Address
from typing import Any

import pytest
from anymail.backends.test import EmailBackend as AnymailBackend
from anymail.message import AnymailMessage
from django.utils.functional import lazystr

from mailqueue.codec import decode
from mailqueue.codec.attributes import ANYMAIL, check_names, default_attributes
from mailqueue.errors import DecodeError, EncodeError
from tests.wire.messages import PNG, plain, with_
from tests.wire.render import data_of, through_the_wire


class Size(enum.IntEnum):
    """A number with a name."""

    BIG = 7


VALUES: list[Any] = [
    *(None, True, False, 0, -1, 2**53, -(2**80), "", "ä\udce9", 1.5, float("inf"), 0.1 + 0.2),
    *(Decimal("1.10"), Decimal("NaN"), b"\x00\xff", [], {}, (), (1, [2, {"a": (3,)}])),
    *(date(2026, 1, 31), time(12, 30, 0, 5), timedelta(days=-1, microseconds=3)),
    *(datetime(2026, 1, 31, 12, 30), datetime(2026, 1, 31, tzinfo=UTC)),
    datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    Address("Ä, B", "a", "example.test"),
    {"a@example.test": {"name": "Ä", 1: [Decimal(2)], None: None, "date": "no date"}},
    [{"date": "2026-01-31"}, {"tuple": []}, {}],
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_arrive_with_their_type(value: Any) -> None:
    message = with_(plain(), metadata=value)
    rebuilt = through_the_wire(message, attributes=["metadata", "absent"])
    assert repr(rebuilt.metadata) == repr(value)
    assert not hasattr(rebuilt, "absent")


def test_values_of_subclasses_arrive_as_what_they_are_of() -> None:
    value = [Size.BIG, OrderedDict(a=1), lazystr("lazy")]
    rebuilt = through_the_wire(with_(plain(), tags=value), attributes=["tags"])
    assert repr(rebuilt.tags) == "[7, {'a': 1}, 'lazy']"


@pytest.mark.parametrize("value", [object(), {1, 2}, uuid.UUID(int=1), [open], {(1,): 2}])
def test_other_types_are_refused_by_name(value: Any) -> None:
    with pytest.raises(EncodeError, match="message: metadata"):
        data_of(with_(plain(), metadata=value), attributes=["metadata"])


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(EncodeError, match="nested"):
        data_of(with_(plain(), metadata=value), attributes=["metadata"])


def test_nothing_is_carried_that_is_not_named() -> None:
    assert "attributes" not in data_of(with_(plain(), metadata={"a": 1}))


def test_anymails_attributes_are_carried_by_default() -> None:
    message = AnymailMessage("s", "b", "from@example.test", ["to@example.test"])
    message.metadata = {"order": Decimal("1.10")}
    message.send_at = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    message.merge_data = {"to@example.test": {"name": "Ä"}}
    message.tags = ["one"]
    message.track_opens = False
    rebuilt = through_the_wire(message, attributes=default_attributes())
    for name in ("metadata", "send_at", "merge_data", "tags", "track_opens"):
        assert getattr(rebuilt, name) == getattr(message, name)
    for name in set(ANYMAIL) - {"metadata", "send_at", "merge_data", "tags", "track_opens"}:
        assert not hasattr(rebuilt, name)  # anymail's word for "not set" does not travel


def given_to_the_esp(message: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return what an anymail backend makes of a message: its parameters and attachments."""
    AnymailBackend().send_messages([message])
    params = dict(message.anymail_test_params)
    files = [
        {name: value for name, value in vars(part).items() if name != "_attachment"}
        for part in params.pop("attachments")
    ]
    return repr(params), files


def test_an_anymail_backend_sends_the_same() -> None:
    message = AnymailMessage("Sübject", "Body", '"Ä, B" <from@example.test>', ["to@example.test"])
    message.attach_alternative("<img src='cid:x'>", "text/html")
    message.attach_inline_image(PNG, "logo.png", subtype="png")
    message.attach("ä.csv", "a;b", "text/csv")
    message.metadata = {"order": 7}
    message.esp_extra = {"nested": [{"a": None}]}
    message.reply_to = ["reply@example.test"]
    message.extra_headers = {"X-One": "1", "Date": "d", "Message-ID": "<i@x>"}
    rebuilt = through_the_wire(message, attributes=default_attributes())
    params, files = given_to_the_esp(rebuilt)
    assert (params, files) == given_to_the_esp(message)
    assert "nested" in params
    assert len(files) == 2


@pytest.mark.parametrize("name", ["send", "body", "_private", "a b", "recipients", "alternatives"])
def test_what_is_the_messages_own_is_no_extra(name: str) -> None:
    with pytest.raises(ValueError, match="must be names that no message has"):
        check_names([name])
    with pytest.raises(DecodeError, match="not the name"):
        decode(data_of(plain()) | {"alternatives": [], "attributes": {name: None}})


def test_names_are_checked() -> None:
    assert check_names(ANYMAIL) == ANYMAIL
    with pytest.raises(ValueError, match="must be names that no message has"):
        check_names([5])  # type: ignore[list-item]
