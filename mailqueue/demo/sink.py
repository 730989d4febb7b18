"""An SMTP server on a free port of loopback: keeps what it takes, answers as it was told."""

import asyncio
import dataclasses
import threading
from collections import Counter
from collections.abc import Callable
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from mailqueue.demo.answers import DROP, KEEP_AND_DROP, Answer, Stage, Stall


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """One mail that was taken; `connection` counts the connections from 1."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    connection: int

    @property
    def message(self) -> EmailMessage:
        return BytesParser(EmailMessage, policy=default).parsebytes(self.content)


class Sink(Controller):
    """The server; `start()` and `stop()` it, or use it as a context manager.

    - ``mails``: what was taken, in order.
    - ``attempts``: how often each recipient was named in RCPT.
    - ``keep``: called with each mail before it is answered (in the server's thread).
    - ``parameters`` are aiosmtpd's: ``tls_context``, ``authenticator``, ``data_size_limit``...
    """

    def __init__(self, keep: Callable[[Mail], object] | None = None, **parameters: Any) -> None:
        super().__init__(self, hostname="127.0.0.1", port=0, enable_SMTPUTF8=True, **parameters)
        self.keep = keep
        self.mails: list[Mail] = []
        self.attempts: Counter[str] = Counter()
        self.connections = 0
        self.answers: list[Answer] = []
        self.arrived = threading.Condition()

    def answer(
        self, stage: Stage, reply: str | Stall, *, to: str | None = None, times: float = 1
    ) -> None:
        """Answer the next commands of `stage` with `reply`: a text, `DROP` or a `Stall`.

        `to` is the recipient that it is for (MAIL: the sender); None is any. "DATA" is the command,
        "DOT" the end of the content. `times` may be `math.inf`.
        """
        self.answers.append(Answer(stage=stage, reply=reply, to=to, times=times))

    def wait(self, until: Callable[[], bool], timeout: float = 60) -> None:
        """Wait until `until()` is true, looked at after each mail; `TimeoutError` if it is not."""
        with self.arrived:
            if not self.arrived.wait_for(until, timeout):
                raise TimeoutError(f"{len(self.mails)} mails arrived within {timeout} s")

    def copies(self) -> Counter[str]:
        """Count the mails that each recipient has got."""
        return Counter(recipient for mail in self.mails for recipient in mail.recipients)

    def stop(self, no_assert: bool = False) -> None:
        for answer in self.answers:
            if isinstance(answer.reply, Stall):
                answer.reply.release()
        super().stop(no_assert)

    def __enter__(self) -> "Sink":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # What aiosmtpd calls, in the server's thread.

    def factory(self) -> SMTP:
        self.connections += 1
        return Dialogue(self, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        # aiosmtpd connects to see that the server is up, and the port was not known before.
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]
        self.connections = 0

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name and arguments)
        self,
        server: "Dialogue",
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        reply = await server.scripted("MAIL", address)
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply or "250 2.1.0 Sender ok"

    async def handle_RCPT(  # noqa: N802
        self,
        server: "Dialogue",
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        self.attempts[address] += 1
        reply = await server.scripted("RCPT", address)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 2.1.5 Recipient ok"

    async def handle_DATA(  # noqa: N802
        self, server: "Dialogue", session: Session, envelope: Envelope
    ) -> str:
        reply = await server.scripted("DOT", *envelope.rcpt_tos)
        if reply not in (None, KEEP_AND_DROP):
            return reply
        mail = Mail(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            content=envelope.original_content or b"",
            connection=server.number,
        )
        if self.keep:
            self.keep(mail)
        with self.arrived:
            self.mails.append(mail)
            self.arrived.notify_all()
        if reply == KEEP_AND_DROP:
            server.drop()
        return f"250 2.0.0 Ok: queued as {len(self.mails)}"


class Dialogue(SMTP):
    """One connection."""

    def __init__(self, sink: Sink, **parameters: Any) -> None:
        super().__init__(sink, **parameters)
        self.sink = sink
        self.number = sink.connections

    async def scripted(self, stage: Stage, *addresses: str) -> str | None:
        """Return the reply that was asked for, None to go on as usual."""
        for answer in self.sink.answers:
            if answer.stage == stage and answer.times and (answer.to in (None, *addresses)):
                answer.times -= 1
                if isinstance(answer.reply, Stall):
                    answer.reply.reached.set()
                    await asyncio.to_thread(answer.reply.released.wait)
                    continue
                if answer.reply == DROP:
                    self.drop()
                return answer.reply
        return None

    def drop(self) -> None:
        """Close the connection and leave the dialogue, as aiosmtpd does when the peer closes it."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        raise asyncio.CancelledError

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        if reply := await self.scripted("EHLO"):
            await self.push(reply)
        else:
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        if reply := await self.scripted("AUTH"):
            await self.push(reply)
        else:
            await super().smtp_AUTH(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        to = self.envelope.rcpt_tos if self.envelope else ()
        if reply := await self.scripted("DATA", *to):
            await self.push(reply)
        else:
            await super().smtp_DATA(arg)
