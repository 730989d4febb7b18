"""A connection to the mail server: a socket that is none."""

from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from tests.simulation.session import Copy, Session


class Line:
    """A socket as far as clients use it, also as a file."""

    def __init__(self, session: Session, timeout: float) -> None:
        self.session, self.server, self.process = session, session.server, session.process
        self.timeout = timeout
        self.unread = b""

    def settimeout(self, seconds: float | None) -> None:
        self.timeout = 10.0**6 if seconds is None else seconds

    def gettimeout(self) -> float:
        return self.timeout

    def setsockopt(self, *arguments: Any) -> None:
        """There are no options."""

    def makefile(self, *arguments: Any) -> "Line":
        return self

    def send(self, data: Any) -> int:
        try:
            self.server.step("before the mail server hears it")
        except SoftTimeLimitExceeded:
            self.session.overhear(bytes(data))  # who was interrupted there cannot tell
            raise
        if self.session.gone:
            self.session.overhear(bytes(data))
            raise BrokenPipeError
        self.session.listen(bytes(data))
        if self.session.gone:
            self.session.overhear(self.session.data)
        self.server.step("after the mail server heard it")
        return len(data)

    sendall = send

    def recv(self, size: int) -> bytes:
        answers = self.session.answers
        if self.session.gone and (self.timeout == 0 or not answers):
            return b""
        if self.timeout == 0:
            raise BlockingIOError
        wait = answers[0][0] - self.server.clock.now if answers else float("inf")
        if wait > self.timeout:
            self.session.miss("the answer came too late" if answers else "no answer came")
            self.process.wait(self.timeout)
            raise TimeoutError("timed out")
        if wait > 0:
            self.process.wait(wait)
        _, text, about = answers.popleft()
        if isinstance(about, Copy):
            about.heard = True
        elif about is not None:
            self.session.refused.discard(about)
        self.server.step("after an answer of the mail server")
        return text

    def readline(self, size: int = -1) -> bytes:
        if b"\n" not in self.unread:
            self.unread += self.recv(size)
        line, end, self.unread = self.unread.partition(b"\n")
        return line + end

    def close(self) -> None:
        """Hang up; of what was stopped, or at its limit, nobody may have listened to the answer."""
        if self.process.stopped or self.process.limited:
            self.session.miss("its worker was stopped, or came to its time limit")
        self.session.gone = True
