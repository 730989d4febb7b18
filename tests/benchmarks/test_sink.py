"""The relay of the benchmarks: it counts each mail once, however it is cut into pieces."""

import time
from collections.abc import Iterator

import pytest

from tests.benchmarks.running import CountError, Sink
from tests.benchmarks.smtp_sink import Dialogue
from tests.benchmarks.smtp_sink import Sink as Server

MAIL = b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
SAID = b"".join(
    [
        b"EHLO here\r\n",
        MAIL + b"DATA\r\nSubject: x\r\n\r\n..\r\nDATA\r\nBDAT 3 LAST\r\n.\r\n",
        MAIL + b"BDAT 7 LAST\r\n\r\n.\r\n\r\n",
        MAIL + b"BDAT 3\r\nabcBDAT 0 LAST\r\n",
        MAIL + b"DATA\r\n.\r\n",
        b"COUNT\r\nQUIT\r\n",
    ]
)
HEARD = [
    "250",
    "250",
    "250",
    "354",
    "250",
    "250",
    "250",
    "250",
    "250",
    "250",
    "250",
    "250",
    "250",
    "250",
    "354",
    "250",
    "250",
    "221",
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_each_mail_counts_once(size: int) -> None:
    server = Server(0, ["PIPELINING", "CHUNKING"])
    try:
        dialogue = Dialogue(server, server.server)
        pieces = (SAID[at : at + size] for at in range(0, len(SAID), size))
        lines = b"".join(b"".join(dialogue.answers(each)) for each in pieces).decode().splitlines()
    finally:
        server.selector.close()
        server.server.close()
    assert lines[:4] == ["250-sink", "250-PIPELINING", "250-CHUNKING", "250 HELP"]
    assert [line[:3] for line in lines[3:]] == HEARD
    assert lines[-2] == "250 4"
    assert len(server.times) == 4
    assert dialogue.rest == b""


@pytest.fixture
def sink() -> Iterator[Sink]:
    running = Sink(1, ("PIPELINING",))
    running.asking.settimeout(5)
    yield running
    running.close()


def test_what_is_missing_or_too_many_is_an_error(sink: Sink, monkeypatch) -> None:
    sink.check()
    began = time.monotonic()
    sink.asking.sendall(MAIL + b"DATA\r\n.\r\n")
    for _ in range(4):
        sink.answers.readline()
    assert began < sink.when(1) < time.monotonic()
    with pytest.raises(CountError, match="0 mails were sent, 1 came"):
        sink.check()
    sink.sent = 1
    sink.check()
    monkeypatch.setattr("tests.benchmarks.running.PATIENCE", 0.02)
    with pytest.raises(CountError, match="1 of 2 mails came"):
        sink.when(2)
