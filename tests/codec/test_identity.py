"""A Message-ID is a text of the project's: it is told in one line, and not without end."""

import pytest

from mailqueue.codec.identity import MOST, message_id_of


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([["Date", "now"], ["Message-ID", "<7@x.test>"]], "<7@x.test>"),
        ([["message-id", " <7@x.test>"]], "<7@x.test>"),
        ([["Message-ID", "<7@x.test>\r\nMail ID: sent"]], "<7@x.test> Mail ID: sent"),
        ([["Message-ID", "<7\x1b[31m\x00\u202e@x.test>"]], "<7[31m@x.test>"),
        ([["Message-ID", "7" * 5000]], "7" * MOST),
        ([["Message-ID", {"header": "x"}]], ""),
        ([["Message-ID"], 7, None], ""),
        ("Message-ID", ""),
        (None, ""),
    ],
)
def test_message_id(headers: object, told: str) -> None:
    assert message_id_of({"headers": headers}) == told
