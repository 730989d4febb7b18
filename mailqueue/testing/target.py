"""What the queue asks of a target, as tests that its author can run."""

import unittest
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from email.utils import parseaddr
from typing import Any

from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue.delivery.answers import faults_told
from mailqueue.delivery.attempt import attempt
from mailqueue.delivery.connections import connections
from mailqueue.lanes import Lane
from mailqueue.mail import mailers
from mailqueue.options import QueueOptions
from mailqueue.outcome import Kind, Outcomes
from mailqueue.outcome.report import reports_outcomes

TARGET = "target"
JO, ANN, BEN = "jo@example.com", "Ann <ann@example.com>", "ben@example.com"


class TargetContract:
    """Run against your backend what the queue asks of a mailer that ``using`` names.

    Subclass it under a name that your test runner finds, together with `unittest.TestCase` or,
    with pytest, alone; `mailer` is the entry of MAILERS::

        class TestOurBackend(TargetContract):
            mailer = {"BACKEND": "project.mail.EmailBackend", "OPTIONS": {"token": "test"}}

            def received(self):
                return api.recipients()

    Every message goes the way it goes in a worker.
    """

    mailer: Mapping[str, Any]

    def received(self) -> Collection[str] | None:
        """Return the addresses that were sent to so far; None where a test cannot know them."""
        return None

    def failing(self) -> AbstractContextManager[object] | None:
        """Return a context in which nothing can be sent; None where a test cannot have one."""
        return None

    def test_it_takes_a_message_for_each_recipient(self) -> None:
        """To, Cc and Bcc, with and without a name, are sent to, and said to be."""
        message = EmailMessage("S", "B", "me@example.com", to=[JO], cc=[ANN], bcc=[BEN])
        with self._mailer():
            [outcomes] = self._delivered(message)
        self._all_sent(outcomes, [JO, ANN, BEN])
        if (received := self.received()) is not None:
            missing = {parseaddr(name)[1] for name in (JO, ANN, BEN)} - set(received)
            self._expect(not missing, f"said to be sent and not received: {sorted(missing)}")

    def test_it_answers_for_each_message(self) -> None:
        """Several messages have an answer each, in their order."""
        with self._mailer():
            answers = self._delivered(*(_message(name) for name in (JO, ANN, BEN)))
        for outcomes, name in zip(answers, (JO, ANN, BEN), strict=True):
            self._all_sent(outcomes, [name])

    def test_a_single_result_says_what_was_sent(self) -> None:
        """`send_messages()` returns how many were sent, or `deliver()` an outcome for each."""
        with self._mailer():
            target = mailers[TARGET]
            if reports_outcomes(target):
                self._all_sent(next(iter(target.deliver([_message(JO)]))), [JO])  # type: ignore[attr-defined]
                return
            result = target.send_messages([_message(JO)])
        counted = isinstance(result, int) and not isinstance(result, bool) and result == 1
        self._expect(counted, f"send_messages() of one message returned {result!r}, expected 1")

    def test_what_it_says_of_itself_is_true(self) -> None:
        """``reports_outcomes`` comes with a `deliver()` of the same class, or of one below it."""
        with self._mailer():
            target = mailers[TARGET]
            says = getattr(target, "reports_outcomes", False)
            self._expect(says in (True, False), f"reports_outcomes is {says!r}")
            self._expect(
                bool(says) == reports_outcomes(target) or not hasattr(target, "deliver"),
                "reports_outcomes, but send_messages() is overridden and deliver() is not",
            )

    def test_no_message_is_no_error(self) -> None:
        """Nothing to send is neither an error nor a message sent."""
        with self._mailer():
            target = mailers[TARGET]
            self._expect(not target.send_messages([]), "no message counts as sent")
            if reports_outcomes(target):
                none = list(target.deliver([]))  # type: ignore[attr-defined]
                self._expect(not none, "no message has outcomes")

    def test_it_is_kept_open_and_works_again_after_close(self) -> None:
        """A worker opens it once for many tasks, and closes it when it was idle."""
        with self._mailer():
            for _ in range(2):
                [outcomes] = self._delivered(_message(JO))
                self._all_sent(outcomes, [JO])
            with connections.use(TARGET) as target:
                for name in ("close", "close", "open", "open"):
                    getattr(target, name, lambda: None)()
            [outcomes] = self._delivered(_message(JO))
            self._all_sent(outcomes, [JO])

    def test_it_tells_a_failure(self) -> None:
        """What cannot be sent is raised or reported, never counted as sent; then it works again."""
        context = self.failing()
        if context is None:
            raise unittest.SkipTest("the test gives no `failing()`")
        with self._mailer():
            with context:
                answers = self._delivered(_message(JO), _message(ANN))
            for outcomes in answers:
                sent = [name for name, each in outcomes.items() if each.kind is Kind.SENT]
                self._expect(not sent, "said to be sent while nothing could be")
            [outcomes] = self._delivered(_message(BEN))
            self._all_sent(outcomes, [BEN])

    @contextmanager
    def _mailer(self) -> Iterator[None]:
        faults_told.clear()
        try:
            with override_settings(MAILERS={TARGET: self.mailer}):
                yield
        finally:
            connections.close()

    def _delivered(self, *messages: EmailMessage) -> list[Outcomes]:
        lane = Lane.make("default", QueueOptions(using=TARGET))
        answers = dict(attempt(lane, messages))
        outcomes = [answers[number].value for number in range(len(messages))]
        faults = [fault for _, fault in faults_told]
        self._expect(not faults, f"deliver() reports wrongly: {'; '.join(faults)}")
        return outcomes

    def _all_sent(self, outcomes: Outcomes, names: Collection[str]) -> None:
        unsent = {name: outcomes[name] for name in names if outcomes[name].kind is not Kind.SENT}
        self._expect(not unsent, f"expected that all are sent, got {unsent}")

    @staticmethod
    def _expect(valid: object, text: str) -> None:
        if not valid:
            raise AssertionError(text)


def _message(recipient: str) -> EmailMessage:
    return EmailMessage("Subject", "Body", "me@example.com", [recipient])
