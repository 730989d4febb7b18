"""`TargetContract` on our backends and other people's; it finds what is wrong with a bad one."""

import contextlib
import unittest
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend as DjangosBase

from mailqueue.backends.base import BaseEmailBackend, ReportsOutcomes
from mailqueue.backends.smtp import EmailBackend as SMTPBackend
from mailqueue.demo.sink import Sink
from mailqueue.outcome import Kind, Outcome, Outcomes, Stage
from mailqueue.testing import TargetContract, queue_in_memory

SENT = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED)


def in_outbox() -> list[str]:
    return [address for message in mail.outbox for address in bare(message.recipients())]


def bare(names: list[str]) -> list[str]:
    return [name.partition("<")[2].rstrip(">") or name for name in names]


class TestSMTP(TargetContract):
    @pytest.fixture(autouse=True)
    def _server(self, sink: Sink) -> None:
        self.sink = sink
        options = {"host": "127.0.0.1", "port": sink.port, "timeout": 10}
        self.mailer = {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": options}

    def received(self) -> list[str]:
        return list(self.sink.copies())

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        for stage in "MAIL", "RSET":
            self.sink.answer(stage, "451 4.3.0 not now", times=2)
        yield


class TestDjangosSMTP(TestSMTP):
    @pytest.fixture(autouse=True)
    def _backend(self, _server: None) -> None:
        self.mailer = self.mailer | {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}


class TestLocmem(TargetContract):
    mailer = {"BACKEND": "mailqueue.backends.locmem.EmailBackend"}

    def received(self) -> list[str]:
        return in_outbox()


class TestConsole(TargetContract):
    mailer = {"BACKEND": "mailqueue.backends.console.EmailBackend"}


class TestDummy(TargetContract):
    mailer = {"BACKEND": "mailqueue.backends.dummy.EmailBackend"}


class TestFilebased(TargetContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Any) -> None:
        backend = "mailqueue.backends.filebased.EmailBackend"
        self.mailer = {"BACKEND": backend, "OPTIONS": {"file_path": tmp_path}}


class TestAnymail(TargetContract):
    mailer = {"BACKEND": "anymail.backends.test.EmailBackend"}


class TestQueue(TargetContract):
    """A queue mailer is a target, too: another one may hand its mail on."""

    mailer = {
        "BACKEND": "mailqueue.backends.queue.EmailBackend",
        "OPTIONS": {"using": "end", "ledger": None},
    }

    @pytest.fixture(autouse=True)
    def _broker(self) -> Iterator[None]:
        with queue_in_memory() as self.deliver:
            yield

    @contextlib.contextmanager
    def _mailer(self) -> Iterator[None]:
        from django.test import override_settings

        end = {"BACKEND": "mailqueue.backends.locmem.EmailBackend"}
        with super()._mailer(), override_settings(MAILERS={"target": self.mailer, "end": end}):
            yield
            self.deliver()

    def received(self) -> list[str]:
        return in_outbox()


class TenLines(DjangosBase):
    """A backend as anybody writes it."""

    sent: list[str] = []
    refuses = False

    def send_messages(self, email_messages: Any) -> int:
        for message in email_messages:
            if self.refuses:
                raise ConnectionRefusedError
            self.sent.extend(bare(message.recipients()))
        return len(email_messages)


class TestTenLines(TargetContract):
    mailer = {"BACKEND": f"{__name__}.TenLines"}

    def received(self) -> list[str]:
        return TenLines.sent

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        TenLines.refuses = True
        yield
        TenLines.refuses = False


class TestWithUnittest(TargetContract, unittest.TestCase):
    mailer = {"BACKEND": f"{__name__}.TenLines"}


class Reporting(BaseEmailBackend):
    """A target that reports, in ten lines."""

    reports_outcomes = True

    def send_messages(self, email_messages: Any) -> int:
        return len(self.deliver(email_messages))

    def deliver(self, messages: Any) -> list[Outcomes]:
        return [dict.fromkeys(message.recipients(), SENT) for message in messages]


class TestReporting(TargetContract):
    mailer = {"BACKEND": f"{__name__}.Reporting"}

    def test_it_is_the_protocol(self) -> None:
        assert isinstance(Reporting(alias="x"), ReportsOutcomes)
        assert isinstance(SMTPBackend(host="x", alias="x"), ReportsOutcomes)


class Silent(DjangosBase):
    def send_messages(self, email_messages: Any) -> None:
        pass


class SaysTrue(DjangosBase):
    def send_messages(self, email_messages: Any) -> bool:
        return True


class Empty(Reporting):
    def deliver(self, messages: Any) -> list[Outcomes]:
        return [{} for _ in messages]


class OneTooFew(Reporting):
    def deliver(self, messages: Any) -> list[Outcomes]:
        return super().deliver(messages)[1:]


class Redirects(Reporting):
    """Sends to somebody else, and its deliver() is still that of the class above."""

    def send_messages(self, email_messages: Any) -> int:
        return len(email_messages)


class Once(DjangosBase):
    """Cannot be opened again."""

    opened = 0

    def open(self) -> None:
        type(self).opened += 1
        if self.opened > 1:
            raise RuntimeError("opened twice")

    def send_messages(self, email_messages: Any) -> int:
        return len(email_messages)


class Hides(TenLines):
    def send_messages(self, email_messages: Any) -> int:
        with contextlib.suppress(ConnectionRefusedError):
            super().send_messages(email_messages)
        return len(email_messages)


class TestBad(TestTenLines):
    """The contract is worth something: each bad target fails where it is bad."""

    @pytest.fixture(autouse=True)
    def _bad(self, request: pytest.FixtureRequest) -> None:
        bad: Callable[..., Any] | None = getattr(request, "param", None)
        if bad is not None:
            self.mailer = {"BACKEND": f"{__name__}.{bad.__name__}"}

    received = TargetContract.received  # type: ignore[assignment]

    @pytest.mark.parametrize(
        ("_bad", "name", "text"),
        [
            (Silent, "test_it_takes_a_message_for_each_recipient", "expected that all are sent"),
            (SaysTrue, "test_a_single_result_says_what_was_sent", "returned True, expected 1"),
            (Empty, "test_it_takes_a_message_for_each_recipient", "without an outcome"),
            (OneTooFew, "test_it_answers_for_each_message", "got nothing"),
            (Redirects, "test_what_it_says_of_itself_is_true", "deliver.. is not"),
            (Once, "test_it_is_kept_open_and_works_again_after_close", "opened twice"),
            (Hides, "test_it_tells_a_failure", "while nothing could be"),
        ],
        indirect=["_bad"],
    )
    def test_a_bad_target_is_found(self, name: str, text: str) -> None:
        with pytest.raises((AssertionError, RuntimeError), match=text):
            getattr(self, name)()
