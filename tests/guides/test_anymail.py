"""Mail goes through anymail as the guide says; a server on this machine plays the provider."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anymail.exceptions import AnymailCancelSend
from anymail.message import AnymailMessage
from anymail.signals import post_send, pre_send, tracking
from django.test import Client
from django.urls import include, path

from mailqueue import compat, signals
from mailqueue.codec.attributes import ANYMAIL
from mailqueue.delivery.deliver import breakers
from mailqueue.errors import PermanentDeliveryError
from mailqueue.log import floods
from mailqueue.mail import EmailMessage
from mailqueue.testing import queue_in_memory
from tests.delivery.provider import provider
from tests.guides.pages import page, run

urlpatterns = [path("anymail/", include("anymail.urls"))]


class Orders:
    """A model of a project, as far as the guide uses one."""

    def __init__(self) -> None:
        self.objects = self
        self.rows: list[dict[str, Any]] = []

    def filter(self, **fields: Any) -> "Orders":
        found = Orders()
        found.rows = [row for row in self.rows if fields.items() <= row.items()]
        return found

    def update(self, **fields: Any) -> None:
        for row in self.rows:
            row.update(fields)


@pytest.fixture
def site(settings: Any, monkeypatch: Any) -> Iterator[Callable[..., Any]]:
    """The guide's settings, with a provider that answers with this status."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    floods.flush()
    shown = run("anymail", "MAILERS")
    assert shown["INSTALLED_APPS"] == ["anymail", "mailqueue"]

    def configure(url: dict[str, str]) -> None:
        shown["MAILERS"]["provider"]["OPTIONS"] |= {"api_url": url["api_url"]}
        shown["MAILERS"]["default"]["OPTIONS"] |= {"ledger": None}
        settings.MAILERS = shown["MAILERS"]
        if not compat.HAS_MAILERS:
            settings.EMAIL_BACKEND = compat.BRIDGE

    yield configure
    breakers.clear()
    floods.flush()


@pytest.fixture
def told() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    facts_of: list[tuple[str, dict[str, Any]]] = []
    receivers = []
    for name in ("sent", "deferred", "dead", "paused"):

        def note(signal: Any, sender: Any, name: str = name, **facts: Any) -> None:
            facts_of.append((name, facts))

        getattr(signals, name).connect(note)
        receivers.append((name, note))
    yield facts_of
    for name, note in receivers:
        getattr(signals, name).disconnect(note)


def test_what_the_guide_names_travels(site, told) -> None:
    asked: list[dict[str, Any]] = []
    posted = []
    note: Callable[..., None] = lambda **facts: posted.append(facts["status"].message_id)  # noqa: E731
    post_send.connect(note)
    with provider(200, asked) as options, queue_in_memory() as deliver:
        site(options)
        message = run("anymail", "message.tags")["message"]
        assert posted == []
        deliver()
    assert (asked[0]["Tag"], asked[0]["Metadata"]) == ("order", {"order": "7"})
    assert posted == ["4f1c"]
    assert not hasattr(message, "anymail_status")
    [(name, facts)] = told
    assert (name, facts["id"], facts["queue_id"]) == ("sent", message.mailqueue_id, "4f1c")


def test_the_list_of_attributes_is_that_of_the_code() -> None:
    [listed] = re.findall(r"reads of a message: (.*?)\. `Anymail", page("anymail"), re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == set(ANYMAIL)


def test_anymails_own_message_is_carried(site) -> None:
    asked: list[dict[str, Any]] = []
    with provider(200, asked) as options, queue_in_memory() as deliver:
        site(options)
        AnymailMessage("s", "b", "me@example.test", ["jo@example.test"], tags=["a"]).send()
        deliver()
    assert asked[0]["Tag"] == "a"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, "deferred"), (401, "paused"), (503, "deferred"), (422, "dead"), (0, "deferred")],
)
def test_what_a_provider_says(site, told, status: int, expected: str) -> None:
    with provider(status) as options, queue_in_memory() as deliver:
        site(options)
        EmailMessage("s", "b", "me@example.test", ["jo@example.test"]).send()
        deliver()
    assert expected in [name for name, _ in told]
    if status == 429:
        assert dict(told)["deferred"]["attempts"] == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [(AnymailCancelSend, "deferred"), (PermanentDeliveryError, "dead")],
)
def test_a_receiver_that_cancels(site, told, error: type[Exception], expected: str) -> None:
    def cancel(**facts: Any) -> None:
        raise error

    pre_send.connect(cancel)
    try:
        with provider(200) as options, queue_in_memory() as deliver:
            site(options)
            EmailMessage("s", "b", "me@example.test", ["jo@example.test"]).send()
            deliver()
    finally:
        pre_send.disconnect(cancel)
    assert [name for name, _ in told] == [expected]


def test_an_event_finds_its_order(site, settings) -> None:
    orders = Orders()
    receivers = run("anymail", "@receiver", Order=orders)
    settings.ROOT_URLCONF = __name__
    settings.ANYMAIL = {"WEBHOOK_SECRET": "user:password"}
    with provider(200) as options, queue_in_memory() as deliver:
        site(options)
        message: Any = EmailMessage("s", "b", "me@example.test", ["jo@example.test"])
        message.send()
        orders.rows = [{"mail": message.mailqueue_id}, {"mail": "another"}]
        deliver()
    event = {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "MessageID": "4f1c",
        "Email": "jo@example.test",
        "Metadata": {"order": "7"},
    }
    seen = []
    note: Callable[..., None] = lambda event, **facts: seen.append(event.metadata)  # noqa: E731
    tracking.connect(note)
    answer = Client().post(
        "/anymail/postmark/tracking/",
        json.dumps(event),
        content_type="application/json",
        headers={"Authorization": "Basic " + base64.b64encode(b"user:password").decode()},
    )
    assert answer.status_code == 200
    assert orders.rows == [
        {"mail": message.mailqueue_id, "provider_id": "4f1c", "bounced": True},
        {"mail": "another"},
    ]
    assert seen == [{"order": "7"}]
    signals.sent.disconnect(receivers["name_order"])
    tracking.disconnect(receivers["note_bounce"])
