"""One connection: when it is used again, and when it is thrown away."""

import os
import smtplib
import socket
import threading
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from mailqueue.outcome.outcome import Kind, Stage
from mailqueue.smtp import client as client_module
from mailqueue.smtp.client import TIMEOUT, Client
from mailqueue.smtp.dialogue import Dialogue
from mailqueue.smtp.transaction import Command, Extensions, Mail, Transaction
from tests.smtp.mails import ME, backend, mail, mails, told
from tests.smtp.scripted import EVERYTHING, HANG_UP, Server


@pytest.fixture
def server() -> Any:
    with Server() as running:
        yield running


def kinds(outcomes: Any) -> set[Kind]:
    return {each.kind for one in outcomes for each in one.values()}


def test_opened_connection_is_kept(server: Server) -> None:
    with backend(server.port) as target:
        for _ in range(3):
            assert kinds(target.deliver(mails(2))) == {Kind.SENT}
        assert target.send_messages(mails(2)) == 2
    assert server.connections == 1
    assert server.commands[-1] == "QUIT"


def test_connection_opened_by_deliver_is_closed(server: Server) -> None:
    target = backend(server.port)
    target.deliver(mails(2))
    assert target.connection is None
    assert server.commands[-1] == "QUIT"


def test_kept_open_after_a_lost_connection(server: Server) -> None:
    target = backend(server.port)
    target.open()
    server.script = lambda verb, argument, connection: (
        HANG_UP if verb == "MAIL" and connection == 1 else None
    )
    assert kinds(target.deliver(mails(1))) <= {Kind.SENT, Kind.AMBIGUOUS}
    assert kinds(target.deliver(mails(1))) == {Kind.SENT}
    assert kinds(target.deliver(mails(1))) == {Kind.SENT}
    assert server.connections == 2
    target.close()


def test_max_messages(server: Server) -> None:
    with backend(server.port, max_messages=4) as target:
        assert kinds(target.deliver(mails(10))) == {Kind.SENT}
        assert target.send_messages(mails(1)) == 1
    assert [one.connection for one in server.taken] == [1] * 4 + [2] * 4 + [3] * 3


def test_max_age(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with backend(server.port, max_age=60) as target:
        target.deliver(mails(1))
        assert isinstance(target.connection, Client)
        target.connection.opened_at -= 61
        target.deliver(mails(1))
    assert [one.connection for one in server.taken] == [1, 2]


def test_idle_connection_is_probed(server: Server) -> None:
    with backend(server.port) as target:
        target.deliver(mails(1))
        target.deliver(mails(1))
        assert "NOOP" not in server.commands
        assert isinstance(target.connection, Client)
        target.connection.used_at -= client_module.PROBE_AFTER
        target.deliver(mails(1))
        assert server.commands.count("NOOP") == 1
    assert server.connections == 1


@pytest.mark.parametrize("answer", [HANG_UP, b"421 4.4.2 idle too long", b"what?"])
def test_dead_connection_is_found_by_the_probe(server: Server, answer: bytes) -> None:
    server.script = lambda verb, argument, connection: answer if verb == "NOOP" else None
    with backend(server.port) as target:
        target.deliver(mails(1))
        assert isinstance(target.connection, Client)
        target.connection.used_at -= client_module.PROBE_AFTER
        assert kinds(target.deliver(mails(1))) == {Kind.SENT}
    assert server.connections == 2


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), EVERYTHING])
def test_connection_that_died_while_idle_costs_no_mail(extensions: tuple[str, ...]) -> None:
    """Less idle than to be probed: the first command finds it out."""
    with Server(extensions=extensions) as server, backend(server.port) as target:
        target.deliver(mails(1))
        server.sockets[0].shutdown(socket.SHUT_RDWR)
        outcomes = target.deliver(mails(3))
        assert kinds(outcomes) == {Kind.SENT}
        assert server.copies() == [f"r{index}@example.test" for index in (0, 0, 1, 2)]


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "rest"),
    [
        (SoftTimeLimitExceeded(), "data"),
        (MemoryError(), "unknown"),
        (RuntimeError(), "unknown"),
    ],
)
def test_interruption_while_waiting_for_an_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch, error: Exception, rest: str
) -> None:
    """What is known stays known; the connection, whose answer is still to come, is not used."""
    original, calls = Dialogue._read, []

    def read(self: Dialogue) -> Any:
        calls.append(self)
        if len(calls) == 8:  # the answer to the second message
            raise error
        return original(self)

    monkeypatch.setattr(Dialogue, "_read", read)
    server.extensions = ()
    with backend(server.port) as target:
        outcomes = target.deliver(mails(3))
        assert told(outcomes) == [
            {"r0": "sent accepted"},
            {"r1": "ambiguous accepted"},
            {"r2": f"transient {rest}"},
        ]
        assert kinds(target.deliver(mails(1))) == {Kind.SENT}
    assert server.connections == 2


def test_interruption_while_a_message_is_written(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler of a signal runs as the socket has taken it: the server may have, too."""

    class Wire:
        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock

        def send(self, data: memoryview) -> int:
            sent = self.sock.send(data)
            if bytes(data).endswith(b"\r\n.\r\n"):
                raise SoftTimeLimitExceeded
            return sent

        def __getattr__(self, name: str) -> Any:
            return getattr(self.sock, name)

    def init(self: Dialogue, sock: Any, **options: Any) -> None:
        made(self, Wire(sock), **options)

    made = Dialogue.__init__
    monkeypatch.setattr(Dialogue, "__init__", init)
    server.extensions = ()
    with backend(server.port) as target:
        assert told(target.deliver(mails(2))) == [
            {"r0": "ambiguous accepted"},
            {"r1": "transient data"},
        ]


def test_base_exception_is_raised_and_closes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = backend(server.port)
    target.open()
    with monkeypatch.context() as patched:
        patched.setattr(Dialogue, "_read", lambda self: (_ for _ in ()).throw(Interrupted))
        with pytest.raises(Interrupted):
            target.deliver(mails(1))
    assert target.connection is not None
    assert target.connection.sock is None
    assert kinds(target.deliver(mails(1))) == {Kind.SENT}
    target.close()


def test_base_exception_in_the_probe(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with backend(server.port) as target:
        connection = target.connection
        assert isinstance(connection, Client)
        connection.used_at -= client_module.PROBE_AFTER
        monkeypatch.setattr(Dialogue, "_read", lambda self: (_ for _ in ()).throw(Interrupted))
        with pytest.raises(Interrupted):
            target.deliver(mails(1))
        assert connection.sock is None


@pytest.mark.parametrize("greeted", [True, False])
@pytest.mark.parametrize("extensions", [(), EVERYTHING])
def test_interrupted_sendmail_closes(
    extensions: tuple[str, ...], greeted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the way that Django's backend takes, too: a late answer must not answer the next mail."""
    with Server(extensions=extensions) as server:
        target = backend(server.port)
        if greeted:
            assert target.ready().offered
        target.open()
        with monkeypatch.context() as patched:
            patched.setattr(Dialogue, "_read", lambda self: (_ for _ in ()).throw(Interrupted))
            patched.setattr(
                smtplib.SMTP, "getreply", lambda self: (_ for _ in ()).throw(Interrupted)
            )
            with pytest.raises(Interrupted):
                target.send_messages(mails(1))
        assert target.send_messages(mails(1)) == 1
        assert server.connections == 2
        target.close()


def test_connection_of_the_parent_is_not_used_nor_told_goodbye(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend(server.port) as target:
        target.deliver(mails(1))
        pid = os.getpid()
        with monkeypatch.context() as forked:
            forked.setattr(os, "getpid", lambda: pid + 1)
            target.deliver(mails(1))
            assert "QUIT" not in server.commands
    assert [one.connection for one in server.taken] == [1, 2]


def test_child_that_only_closes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    target = backend(server.port)
    target.open()
    pid = os.getpid()
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: pid + 1)
        target.close()
    assert "QUIT" not in server.commands


def test_real_fork(server: Server) -> None:
    """The child sends over its own connection; the parent's still works afterwards."""
    server.block_on_close = False
    with backend(server.port) as target:
        target.deliver(mails(1))
        child = os.fork()
        if child == 0:
            sent = kinds(target.deliver(mails(1))) == {Kind.SENT}
            os._exit(0 if sent else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert kinds(target.deliver(mails(1))) == {Kind.SENT}
    assert [one.connection for one in server.taken] == [1, 2, 1]


def test_threads_take_turns(server: Server) -> None:
    outcomes: list[Any] = []
    with backend(server.port) as target:

        def run() -> None:
            outcomes.append(target.deliver(mails(20)))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert kinds(one for batch in outcomes for one in batch) == {Kind.SENT}
    assert len(server.taken) == 80
    assert server.connections == 1


@pytest.mark.parametrize(("option", "seconds"), [(None, TIMEOUT), (7, 7)])
def test_timeout(server: Server, option: float | None, seconds: float) -> None:
    with backend(server.port, timeout=option) as target:
        assert target.connection is not None
        assert target.connection.sock is not None
        assert target.connection.sock.gettimeout() == seconds


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({"timeout": None}, 600),
        ({"timeout": 7}, None),
        ({"timeout": 7, "final_timeout": 70}, 70),
    ],
)
def test_final_timeout(server: Server, options: dict[str, Any], seconds: float | None) -> None:
    with backend(server.port, **options) as target:
        assert isinstance(target.connection, Client)
        assert target.connection.final_timeout == seconds


def test_final_timeout_is_that_of_the_last_answer_only() -> None:
    """The server is silent after the dot: that waits for `final_timeout`, not for `timeout`."""
    script = {"DOT": b"<silence>"}
    with Server(lambda verb, *_: script.get(verb), ("8BITMIME",)) as server:
        outcomes = backend(server.port, timeout=20, final_timeout=1).deliver(mails(1))
    assert told(outcomes) == [{"r0": "ambiguous accepted"}]


class Socket:
    """Takes so many bytes, then fails, as a connection that is cut while one writes."""

    def __init__(self, takes: int) -> None:
        self.takes = takes

    def gettimeout(self) -> float:
        return 1.0

    def settimeout(self, seconds: float) -> None:
        pass

    def send(self, data: memoryview) -> int:
        if not self.takes:
            raise ConnectionResetError
        sent = min(self.takes, len(data))
        self.takes -= sent
        return sent


@pytest.mark.parametrize(("missing", "kind"), [(1, None), (0, Kind.AMBIGUOUS)])
def test_message_is_ambiguous_only_if_it_went_out_whole(missing: int, kind: Kind | None) -> None:
    transaction = Transaction(Mail(ME, ["jo@x.test"], b"x" * 100), Extensions())
    other = Transaction(Mail(ME, ["ann@x.test"], b"x" * 100), Extensions())
    chunk = transaction.chunk()
    dialogue = Dialogue(Socket(len(chunk.data) - missing), final_timeout=1)  # type: ignore[arg-type]
    dialogue.say(chunk, transaction)
    dialogue.say(other.chunk(), other)
    with pytest.raises(ConnectionResetError) as error:
        dialogue.flush()
    dialogue.end(error.value)
    assert [each.kind for each in transaction.outcomes.values()] == ([kind] if kind else [])
    assert other.outcomes == {}


def test_answers_are_read_before_too_many_are_owed() -> None:
    """Else both sides could wait for the other for ever (RFC 2920 section 3.1)."""
    owed: list[int] = []
    with Server() as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.recv(100)
        dialogue = Dialogue(sock, final_timeout=None)
        for _ in range(1000):
            dialogue.say(Command(Stage.CONNECT, b"NOOP\r\n"))
            owed.append(len(dialogue.awaited))
        dialogue.flush()
        dialogue.hear()
    assert max(owed) < 200


def test_many_recipients() -> None:
    names = [f"r{index}@example.test" for index in range(700)]
    for extensions in ("PIPELINING",), ("PIPELINING", "CHUNKING"):
        with Server(extensions=extensions) as server:
            (outcomes,) = backend(server.port).deliver([mail(*names)])
        assert {each.kind for each in outcomes.values()} == {Kind.SENT}
        assert len(server.taken) == 1


def test_big_mail_waits_for_its_recipients() -> None:
    """A mail for nobody is not written, where it would take long."""
    big = "x" * 300_000
    with Server(lambda verb, *_: b"550 no" if verb == "RCPT" else None) as server:
        backend(server.port).deliver([mail("jo@x.test", body=big), mail("ann@x.test")])
    verbs = [line.split()[0] for line in server.commands]
    assert verbs[1:5] == ["MAIL", "RCPT", "DATA", "RSET"]
    with Server() as server:
        outcomes = backend(server.port).deliver(
            [mail("a@x.test"), mail("b@x.test", body=big), mail("c@x.test")]
        )
    assert kinds(outcomes) == {Kind.SENT}
    assert [len(one.content) > 300_000 for one in server.taken] == [False, True, False]
