"""Targets of other people, as they are: Django's backends, anymail's, and one of ten lines."""

from collections.abc import Callable
from typing import Any

import pytest
from anymail.message import AnymailRecipientStatus
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from mailqueue.delivery.attempt import attempt
from mailqueue.delivery.connections import connections
from mailqueue.demo.sink import Sink
from mailqueue.errors import PermanentDeliveryError, TransientDeliveryError
from mailqueue.lanes import Lane
from mailqueue.options import QueueOptions
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from tests.delivery.provider import provider

JO, ANN = "jo@example.test", "Ann <ann@example.test>"
POSTMARK = "anymail.backends.postmark.EmailBackend"


@pytest.fixture
def deliver(settings: Any) -> Callable[..., dict[str, Outcome]]:
    """Deliver a message through a backend with these options."""

    def run(path: str, message: Any = None, **options: Any) -> dict[str, Outcome]:
        settings.MAILERS = {"target": {"BACKEND": path, "OPTIONS": options}}
        message = message or mail.EmailMessage("s", "b", "me@example.test", [JO, ANN])
        try:
            [(_, answer)] = attempt(Lane.make("queue", QueueOptions(using="target")), [message])
        finally:
            connections.close()  # the next one is of other options
        return dict(answer.value)

    return run


def kinds(outcomes: dict[str, Outcome]) -> list[Kind]:
    return [outcomes[JO].kind, outcomes[ANN].kind]


@pytest.mark.parametrize("name", ["locmem", "dummy", "console", "filebased"])
def test_djangos_backends(deliver: Any, name: str, tmp_path: Any, capsys: Any) -> None:
    options = {"file_path": str(tmp_path)} if name == "filebased" else {}
    outcomes = deliver(f"django.core.mail.backends.{name}.EmailBackend", **options)
    assert kinds(outcomes) == [Kind.SENT, Kind.SENT]


def test_djangos_smtp_backend(deliver: Any) -> None:
    backend = "django.core.mail.backends.smtp.EmailBackend"
    with Sink() as sink:
        at = {"host": "127.0.0.1", "port": sink.port}
        assert kinds(deliver(backend, **at)) == [Kind.SENT, Kind.SENT]
        sink.answer("RCPT", "550 5.1.1 no", times=2)
        assert kinds(deliver(backend, **at)) == [Kind.PERMANENT, Kind.PERMANENT]
        sink.answer("DOT", "keep and drop")
        assert kinds(deliver(backend, **at)) == [Kind.AMBIGUOUS, Kind.AMBIGUOUS]
    assert kinds(deliver(backend, **at)) == [Kind.TRANSIENT, Kind.TRANSIENT]


class TenLines(BaseEmailBackend):
    """Takes a message, or not, as its subject says."""

    def send_messages(self, email_messages: Any) -> Any:
        for message in email_messages:
            if message.subject == "later":
                raise TransientDeliveryError(retry_after=120)
            if message.subject == "never":
                raise PermanentDeliveryError(code=550)
        return len(email_messages) if message.subject != "silently" else 0


@pytest.mark.parametrize(
    ("subject", "kind", "stage"),
    [
        ("s", Kind.SENT, Stage.ACCEPTED),
        ("later", Kind.TRANSIENT, Stage.DATA),
        ("never", Kind.PERMANENT, Stage.DATA),
        ("silently", Kind.TRANSIENT, Stage.UNKNOWN),
    ],
)
def test_ten_lines(deliver: Any, subject: str, kind: Kind, stage: Stage) -> None:
    outcomes = deliver(f"{__name__}.TenLines", mail.EmailMessage(subject, to=[JO]))
    assert (outcomes[JO].kind, outcomes[JO].stage) == (kind, stage)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("queued", "sent"), [Kind.SENT, Kind.SENT]),
        (("queued", "rejected"), [Kind.SENT, Kind.PERMANENT]),
        (("failed", "invalid"), [Kind.TRANSIENT, Kind.PERMANENT]),
        (("invalid", "rejected"), [Kind.PERMANENT, Kind.PERMANENT]),  # anymail raises
    ],
)
def test_anymail_statuses(deliver: Any, statuses: tuple[str, str], expected: list[Kind]) -> None:
    message: Any = mail.EmailMessage("s", "b", "me@example.test", [JO, ANN])
    first, second = (AnymailRecipientStatus("id", status) for status in statuses)
    message.anymail_test_response = {
        "recipient_status": {"jo@example.test": first, "ann@example.test": second}
    }
    assert kinds(deliver("anymail.backends.test.EmailBackend", message)) == expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Kind.SENT),
        (401, Kind.CONFIGURATION),
        (403, Kind.CONFIGURATION),
        (408, Kind.TRANSIENT),
        (413, Kind.PERMANENT),
        (429, Kind.RATE_LIMITED),
        (500, Kind.TRANSIENT),
        (503, Kind.TRANSIENT),
        (202, Kind.AMBIGUOUS),  # taken, with an answer that is none
        (0, Kind.AMBIGUOUS),
    ],
)
def test_anymail_over_http(
    deliver: Any, monkeypatch: pytest.MonkeyPatch, status: int, kind: Kind
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with provider(status, **{"Retry-After": "90"}) as options:
        outcomes = deliver(POSTMARK, **options)
    assert kinds(outcomes) == [kind, kind]
    assert outcomes[JO].code == (status if status and kind is not Kind.SENT else None)
    assert outcomes[JO].retry_after == (90 if status and kind is not Kind.SENT else None)
    assert outcomes[JO].queue_id == ("4f1c" if kind is Kind.SENT else None)


def test_anymail_without_a_provider(deliver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with provider(200) as options:
        pass
    assert kinds(deliver(POSTMARK, **options)) == [Kind.TRANSIENT, Kind.TRANSIENT]


def test_anymail_misconfigured(deliver: Any) -> None:
    assert kinds(deliver(POSTMARK)) == [Kind.CONFIGURATION, Kind.CONFIGURATION]
