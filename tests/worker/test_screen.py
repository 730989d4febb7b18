"""The screen, fed with anything: it hands Celery a message of its own, or sets the bytes aside."""

import base64
import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu import Message
from kombu.transport.virtual import Channel
from kombu.transport.virtual import Message as RedisMessage

from mailqueue.bootsteps import screen as screening
from mailqueue.bootsteps.inlet_rabbitmq import readable
from mailqueue.bootsteps.screen import mail_queue_of, screen
from mailqueue.bootsteps.sound import sound
from mailqueue.broker import delay
from mailqueue.broker.message import EMBEDDED, headers_of
from tests.worker.raw import ALTERED, ITEMS, UNFIT, kombus, message

LONGEST_HOLD = 900.0

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("utf-8")
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


class Answers:
    """A channel that notes how a message was answered."""

    no_ack_consumers = None
    codecs = Channel.codecs
    decode_body = Channel.decode_body

    def __init__(self) -> None:
        self.answered: list[str] = []

    def basic_ack(self, tag, multiple=False):
        self.answered.append("ack")

    def basic_reject(self, tag, requeue=False):
        self.answered.append("requeue" if requeue else "reject")


@pytest.fixture(scope="module")
def parked():
    """What became a dead letter."""
    letters = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screening, "park", lambda letter, *_, **__: letters.append(letter))
        patch.setattr(
            screening, "publisher", lambda: SimpleNamespace(longest_hold=lambda: LONGEST_HOLD)
        )
        yield letters


def check(given: Message, channel: Answers, parked: list) -> str | None:
    """Screen a message; return the argument that Celery gets, None if it was set aside."""
    parked.clear()
    handled: list[Message] = []
    screen(given, handled.append, "mail")
    if not handled:
        assert channel.answered == ["ack"]
        assert len(parked) == 1
        return None
    (made,) = handled
    assert (channel.answered, parked) == ([], [])
    [[opaque], *rest] = made.payload
    argument = opaque.value
    assert rest == [{}, EMBEDDED]
    assert (made.body, repr(opaque)) == (made.payload, "<str>")
    assert made.headers.items() >= (headers_of("", origin="mailqueue") | {
        "id": made.headers["id"], "root_id": made.headers["id"], "eta": made.headers["eta"]
    }).items()  # fmt: skip
    assert made.headers["id"] != given.headers.get("id")
    assert made.delivery_info["routing_key"] == "mail"
    made.ack()
    assert channel.answered == ["ack"]
    return argument


@settings(deadline=None)
@given(st.binary())
def test_any_item_of_a_redis_list_is_a_message_with_these_bytes(parked, item):
    channel = Answers()
    made = RedisMessage(json.loads(sound(item, "mail")), channel=channel)
    assert check(made, channel, parked) is None
    [letter] = parked
    kept = letter.content.encode()
    assert item in (kept, base64.b64decode(kept) if letter.encoding == "base64" else kept)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*kombus(message()), "x"]), anything))
def test_any_mapping_on_a_redis_list(parked, changes):
    channel = Answers()
    item = json.dumps(kombus(message("x")) | changes).encode()
    made = RedisMessage(json.loads(sound(item, "mail")), channel=channel)
    check(made, channel, parked)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([*headers_of("", origin=""), "compression"]), anything),
    st.dictionaries(st.sampled_from(["priority", "delivery_info", "body_encoding"]), anything),
)
def test_any_headers_and_properties_on_redis(parked, headers, properties):
    channel = Answers()
    whole = kombus(message("x"))
    whole["headers"] |= headers
    whole["properties"] |= properties
    made = RedisMessage(json.loads(sound(json.dumps(whole).encode(), "mail")), channel=channel)
    check(made, channel, parked)


@settings(deadline=None)
@given(
    body=st.binary() | st.text() | anything.map(json.dumps) | st.none(),
    headers=st.dictionaries(st.sampled_from([*headers_of("", origin=""), "x"]), anything),
    properties=anything,
    delivery=st.dictionaries(st.sampled_from(["consumer_tag", "routing_key"]), anything),
)  # fmt: skip
def test_anything_from_rabbitmq(parked, body, headers, properties, delivery):
    channel = Answers()
    made = Message(
        body=body,
        headers=headers_of("7", origin="") | headers,
        content_type="application/json",
        content_encoding="utf-8",
        properties=properties,
        delivery_info=delivery,
        channel=channel,
    )
    check(made, channel, parked)


@pytest.mark.parametrize("name", ALTERED)
def test_what_stands_around_an_argument_is_not_taken_over(parked, name):
    made = message("the argument")
    ALTERED[name](made)
    channel = Answers()
    item = json.dumps(kombus(made)).encode()
    taken = RedisMessage(json.loads(sound(item, "mail")), channel=channel)
    assert check(taken, channel, parked) == "the argument"


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_no_argument_of_ours_is_set_aside_with_its_bytes(parked, name):
    made = message()
    UNFIT[name](made)
    channel = Answers()
    item = json.dumps(kombus(made)).encode()
    taken = RedisMessage(json.loads(sound(item, "mail")), channel=channel)
    assert check(taken, channel, parked) is None
    [letter] = parked
    data = base64.b64decode(letter.content) if letter.encoding == "base64" else letter.content
    assert made["body"] == (data if isinstance(data, bytes) else data.encode())
    assert letter.reason.startswith("undecodable: ")


@pytest.mark.parametrize("name", ITEMS)
def test_two_messages_never_have_one_tag(name):
    """By its tag kombu keeps what a worker has in hand."""
    item = json.dumps(kombus(message())).encode() if name == "list" else ITEMS[name]
    tags = {json.loads(sound(item, "mail"))["properties"]["delivery_tag"] for _ in range(2)}
    assert len(tags) == 2


@settings(deadline=None)
@given(st.binary())
def test_properties_that_cannot_be_read_are_told(data):
    readable(bytes(12) + data)


@pytest.mark.parametrize(
    ("delivery", "found"),
    [
        ({"routing_key": "mail"}, "mail"),
        ({"routing_key": delay.key(5, "mail")}, "mail"),
        ({"routing_key": "reports.mail"}, None),
        ({"routing_key": "1.mail"}, None),
        ({"routing_key": delay.key(5, "reports.mail")}, None),
        ({"routing_key": "mail", "consumer_tag": "of reports.mail"}, None),
        ({"routing_key": "reports.mail", "consumer_tag": "of mail"}, "mail"),
        ({"routing_key": ["mail"], "consumer_tag": 7}, None),
        ({}, None),
        (None, None),
        ("mail", None),
    ],
)
def test_a_queue_of_the_project_is_not_taken_for_a_mail_queue(delivery, found):
    tags = {"of mail": "mail", "of reports.mail": "reports.mail"}
    assert mail_queue_of(delivery, ["mail"], tags) == found
