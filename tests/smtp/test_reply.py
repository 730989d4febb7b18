"""Answers, from bytes that come in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailqueue.smtp.reply import MOST_BYTES, OutOfStep, Replies, Reply


def taken(*pieces: bytes) -> list[Reply]:
    replies, seen = Replies(), []
    for piece in pieces:
        replies.feed(piece)
        while reply := replies.take():
            seen.append(reply)
    return seen


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"250 ok\r\n", [Reply(250, b"ok")]),
        (b"250\r\n", [Reply(250, b"")]),
        (b"250 ok\n", [Reply(250, b"ok")]),
        (b"250-a\r\n250-b\r\n250 c\r\n", [Reply(250, b"a\nb\nc")]),
        (b"250 a\r\n550 5.1.1 b\r\n", [Reply(250, b"a"), Reply(550, b"5.1.1 b")]),
        (b"250 a\r\n25", [Reply(250, b"a")]),
        (b"250-a\r\n", []),
        (b"", []),
    ],
)
def test_replies(data: bytes, replies: list[Reply]) -> None:
    assert taken(data) == replies


@pytest.mark.parametrize(
    "data",
    [b"\r\n", b"ok\r\n", b"2500 x\r\n", b"25\r\n", b"150 x\r\n", b"650 x\r\n", b"250-a\r\nb\r\n"],
)
def test_garbage(data: bytes) -> None:
    with pytest.raises(OutOfStep):
        taken(data)


@pytest.mark.parametrize("data", [b"2" * (MOST_BYTES + 1), b"250-x\r\n" * MOST_BYTES])
def test_endless_answer(data: bytes) -> None:
    with pytest.raises(OutOfStep, match="more than"):
        taken(data)


texts = st.lists(st.binary(max_size=20).map(lambda text: text.translate(None, b"\r\n")), min_size=1)


@given(st.lists(st.tuples(st.integers(200, 599), texts), max_size=5), st.data())
def test_pieces_do_not_matter(answers: list[tuple[int, list[bytes]]], data: st.DataObject) -> None:
    written = b"".join(
        b"".join(b"%d-%b\r\n" % (code, line) for line in lines[:-1])
        + b"%d %b\r\n" % (code, lines[-1])
        for code, lines in answers
    )
    expected = [Reply(code, b"\n".join(lines)) for code, lines in answers]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=8)))
    pieces = [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert taken(*pieces) == expected
