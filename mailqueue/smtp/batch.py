"""Many messages over one connection, or as many as it takes: connect, render, send."""

import smtplib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Protocol

from django.core.mail import EmailMessage

from mailqueue.mail.addresses import idna
from mailqueue.outcome import codes
from mailqueue.outcome.exceptions import classify
from mailqueue.outcome.marks import opening
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.smtp.client import Client
from mailqueue.smtp.extensions import OPTIONAL, Extensions
from mailqueue.smtp.rendering import downgraded, render
from mailqueue.smtp.reply import Closing, OutOfStep
from mailqueue.smtp.transaction import Mail, Transaction

LOST = codes.outcome(Kind.TRANSIENT, Stage.DATA, "connection lost while sending")
# What Python's email package raises where it fails at a message; it will the next time, too.
DEFECTS = (AttributeError, TypeError, LookupError, RecursionError, AssertionError)
UNMADE = codes.outcome(Kind.PERMANENT, Stage.MESSAGE, "message cannot be made")
STALE = smtplib.SMTPException("The message is no longer to be sent.")


class Mailer(Protocol):
    """What a batch needs of the backend."""

    window: int  # of pipelining; 0 once a server was found to lie about it
    lacking: set[str]  # fields of `Extensions` that a server offers and has not
    max_messages: int
    before_content: Callable[[EmailMessage], bool] | None

    def ready(self) -> Client:
        """Return a connection that mail may go over; raises what connecting raises."""
        ...

    def prep_address(self, address: Any, force_ascii: bool = True) -> str: ...


class Delivery:
    """One message, and what became of it so far."""

    def __init__(self, message: EmailMessage) -> None:
        self.message = message
        self.recipients = list(dict.fromkeys(message.recipients()))
        self.outcomes: dict[str, Outcome] = {}
        self.refused: dict[str, tuple[int, bytes]] = {}  # by name, as smtplib has it
        self.error: Exception | None = None  # what smtplib would have raised
        self.bare = False  # without the parameters of MAIL that can be left out

    @property
    def open(self) -> list[str]:
        """The recipients without an outcome."""
        return [name for name in self.recipients if name not in self.outcomes]

    def fail(self, error: Exception, outcome: Outcome | None = None) -> None:
        """Give the outcome of an error, or this one, to all that have none."""
        self.error = error
        known = dict.fromkeys(self.open, outcome) if outcome else None
        self.outcomes |= known or _outcomes(error, self.open, self.message)


class Batch:
    """Deliver messages, each recipient at most once but for those that are ambiguous."""

    def __init__(
        self, mailer: Mailer, messages: Sequence[EmailMessage], *, utf8: bool = True
    ) -> None:
        self.mailer = mailer
        self.utf8 = utf8  # whether an address may need SMTPUTF8
        self.deliveries = [Delivery(message) for message in messages]

    def run(self) -> list[Delivery]:
        """Send all; what was never started goes over a new connection when one is lost."""
        failures = 0  # in a row, without any answer about a message
        while any(each.open for each in self.deliveries):
            before = self._count(answered=True), self._count(answered=False), self._learned()
            try:
                with opening():
                    client = self.mailer.ready()
                    offered = client.offered
            except Exception as error:  # noqa: BLE001 (an outcome, and the same for all)
                self._fail(error, classify(error, [""])[""])
                break
            fresh = client.count == 0
            ended = self._send(client, offered, 0 if failures else self.mailer.window)
            answered = self._count(answered=True) > before[0] or self._learned() > before[2]
            ambiguous = self._count(answered=False) > before[1]
            if isinstance(ended, TimeoutError | OutOfStep):
                self.mailer.window = 0  # it may be that the server cannot do what it offers
            if slow := self._slowed():
                self._fail(*slow)  # nothing more until it has had its rest
            elif not isinstance(ended, OSError | None):
                self._fail(ended)  # not about SMTP: someone wants this to end
            elif isinstance(ended, TimeoutError) and (ambiguous or not client.pipelining):
                self._fail(ended)  # each further silence would take as long
            elif answered:
                failures = 0
            elif isinstance(ended, Closing) and not fresh:
                failures += 1  # it was the connection that had enough
            elif ended is None or isinstance(ended, Closing):
                self._fail(ended or OutOfStep("expected an answer to a message, got none"))
            else:
                failures += 1
                self._lost(ended, failures)
        return self.deliveries

    def _lost(self, error: OSError, failures: int) -> None:
        """Decide who goes on after a connection that brought nothing."""
        if failures == 2:  # twice, and without pipelining: it may be this message
            hung_up = isinstance(error, smtplib.SMTPServerDisconnected | ConnectionError)
            self._fail(error, LOST if hung_up else None, only=1)
        elif failures > 2:
            self._fail(error)

    def _fail(
        self, error: Exception, outcome: Outcome | None = None, *, only: int | None = None
    ) -> None:
        for delivery in [each for each in self.deliveries if each.open][:only]:
            delivery.fail(error, outcome)

    def _slowed(self) -> tuple[Exception, Outcome] | None:
        """Return the answer by which the server asked for less, if it did."""
        for delivery in self.deliveries:
            for outcome in delivery.outcomes.values():
                if outcome.kind is Kind.RATE_LIMITED and delivery.error:
                    return delivery.error, outcome
        return None

    def _learned(self) -> int:
        return len(self.mailer.lacking) + sum(each.bare for each in self.deliveries)

    def _count(self, *, answered: bool) -> int:
        return sum(
            (outcome.kind is not Kind.AMBIGUOUS) == answered
            for delivery in self.deliveries
            for outcome in delivery.outcomes.values()
        )

    def _send(self, client: Client, offered: Extensions, window: int) -> Exception | None:
        started: list[tuple[Delivery, dict[str, str], Transaction]] = []
        offered = offered.without(self.mailer.lacking)
        if not offered.chunking:
            window = min(window, 1)
        error = client.run(self._transactions(client, offered, started), window=window)
        for delivery, addresses, transaction in started:
            transaction.reopen()
            for name in delivery.open:
                if outcome := transaction.outcomes.get(addresses[name]):
                    delivery.outcomes[name] = outcome
                    lost = error if outcome.kind is Kind.AMBIGUOUS else None
                    stale = STALE if outcome.stage is Stage.MESSAGE else None
                    delivery.error = transaction.error() or lost or stale or delivery.error
            delivery.refused |= transaction.refused()
            self._learn(delivery, transaction)
        return error

    def _learn(self, delivery: Delivery, transaction: Transaction) -> None:
        """Remember what a server offers and has not; later mails do without it at once."""
        if transaction.unchunked:
            self.mailer.lacking.add("chunking")
        if transaction.unwanted and delivery.open:
            delivery.bare = True
        elif transaction.unwanted:
            self.mailer.lacking.add("utf8")  # it was the only one
        elif delivery.bare and transaction.accepted:
            self.mailer.lacking |= OPTIONAL

    def _transactions(
        self, client: Client, offered: Extensions, started: list[Any]
    ) -> Iterator[Transaction]:
        waiting = (each for each in self.deliveries if each.open)
        behind: deque[Transaction] = deque()  # whose answers may come while others are made
        late = False
        for delivery in islice(waiting, self.mailer.max_messages - client.count):
            if any(transaction.slowed for transaction in behind):
                return
            late = late or any(transaction.stale for transaction in behind)
            while behind and not behind[0].open:
                behind.popleft()
            try:
                addresses, made = self._prepare(delivery, offered)
            except Exception as error:  # noqa: BLE001 (an outcome)
                delivery.fail(error, UNMADE if isinstance(error, DEFECTS) else None)
                continue
            if self.mailer.before_content is not None:
                made.allow = partial(self.mailer.before_content, delivery.message)
            started.append((delivery, addresses, made))
            behind.append(made)
            if late and not made.ready():
                continue  # to begin it would take a slow server so long that claims run out
            yield made

    def _prepare(
        self, delivery: Delivery, offered: Extensions
    ) -> tuple[dict[str, str], Transaction]:
        if delivery.bare:
            offered = offered.without(OPTIONAL)
        sender = self._address(delivery.message.from_email, offered)
        addresses = {name: self._address(name, offered) for name in delivery.open}
        recipients = list(dict.fromkeys(addresses.values()))
        utf8 = not all(address.isascii() for address in (sender, *recipients))
        content = render(delivery.message, utf8=utf8, eight_bit=offered.eight_bit)
        if not content.isascii() and not offered.eight_bit and not utf8:
            content = downgraded(content)
        eight_bit = not content.isascii()
        if 0 < offered.most_bytes < len(content):
            raise smtplib.SMTPSenderRefused(552, b"5.3.4 bigger than the server takes", sender)
        if eight_bit and not offered.eight_bit and not utf8:
            raise smtplib.SMTPDataError(554, b"5.6.3 8BITMIME is needed and not offered")
        mail = Mail(sender, recipients, content, eight_bit=eight_bit, utf8=utf8)
        return addresses, Transaction(mail, offered)

    def _address(self, address: Any, offered: Extensions) -> str:
        """Prepare it for ASCII if that can be, since more servers take it (RFC 6531 3.1)."""
        try:
            return self.mailer.prep_address(address)
        except ValueError:
            unicode = self.mailer.prep_address(address, force_ascii=False) if self.utf8 else ""
            local, _, domain = unicode.rpartition("@")
            if local.isascii():
                raise
        if not offered.utf8:
            raise smtplib.SMTPSenderRefused(553, b"5.6.7 SMTPUTF8 is needed, not offered", unicode)
        return f"{local}@{idna(domain)}"


def _outcomes(
    error: Exception, recipients: Sequence[str], message: EmailMessage
) -> dict[str, Outcome]:
    if isinstance(error, Closing):
        outcome = codes.read(Stage.SENDER, error.smtp_code, error.smtp_error)
    elif isinstance(error, OutOfStep):
        outcome = codes.outcome(Kind.TRANSIENT, Stage.SENDER, "answers out of step")
    else:
        return classify(error, recipients, message)
    return dict.fromkeys(recipients, outcome)
