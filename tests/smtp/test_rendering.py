"""The bytes are those that Python's own policy makes, however often headers repeat."""

import base64
import email.policy
import re
from typing import Any

import django.core.mail
import pytest
from hypothesis import HealthCheck, given, settings

from mailqueue import compat
from mailqueue.mail.headers import BREAKS
from mailqueue.smtp import policy
from mailqueue.smtp.rendering import downgraded, render
from tests.wire.strategies import messages

BOUNDARY = re.compile(rb"={15}\d+==")


def outcome(message: Any, chosen: Any) -> Any:
    """Give the bytes without what is random in them, or the error."""
    try:
        mime = compat.smtp_mime(message, chosen)
        return BOUNDARY.sub(b"", compat.as_smtp_bytes(mime, message, chosen))
    except Exception as error:  # noqa: BLE001 (any, as long as it is the same)
        return type(error), str(error)


@pytest.mark.skipif(not compat.HAS_POLICY, reason="Django 5.2 takes no policy")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages())
def test_same_bytes_as_with_pythons_policy(message: Any) -> None:
    message.extra_headers |= {"Date": "Mon, 02 Jan 2006 15:04:05 -0000", "Message-ID": "<1@x.test>"}
    smtp = email.policy.SMTP.clone(refold_source="none")
    for ours, theirs in (
        (policy.SMTP, smtp),
        (policy.SMTPUTF8, smtp.clone(utf8=True)),
        (policy.SMTP_7BIT, smtp.clone(cte_type="7bit")),
    ):
        expected = outcome(message, theirs)
        if (written := outcome(message, ours)) == (ValueError, BREAKS):
            continue  # not every Python looks at what it writes
        assert written == expected
        assert outcome(message, ours) == expected  # now from memory


@pytest.mark.skipif(not compat.HAS_POLICY, reason="Django 5.2 takes no policy")
def test_remembered_header_in_a_message_of_another_policy() -> None:
    """What was folded for one policy is not written under another."""
    subject = "Gr\u00fc\u00dfe"
    ours = django.core.mail.EmailMessage(subject, "", "a@x.test", ["b@x.test"]).message(
        policy=policy.SMTPUTF8
    )
    ours.as_bytes()
    other = email.message.EmailMessage(policy=policy.SMTP)
    other["Subject"] = ours["Subject"]
    assert b"=?utf-8?" in other.as_bytes()


def test_header_that_is_none_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=r"linefeed|newline"):
            policy.SMTP.header_store_parse("Subject", "a\nBcc: eve@example.test")


@pytest.mark.parametrize("body", ["x", "x\n", "a\rb\nc\r\nd", "\r", "\n", ""])
def test_line_ends(body: str) -> None:
    content = render(django.core.mail.EmailMessage("s", body, "a@x.test", ["b@x.test"]))
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content)
    assert content.endswith(b"\r\n")


class Odd(django.core.mail.EmailMessage):
    """Renders to what it is told, as a subclass of somebody might."""

    rendered: bytes

    def message(self, **options: Any) -> Any:
        return self

    def as_bytes(self, **options: Any) -> bytes:
        return self.rendered


@pytest.mark.parametrize(
    ("rendered", "sent"),
    [
        (b"S: x\n\na\n.\nb", b"S: x\r\n\r\na\r\n.\r\nb\r\n"),
        (b"S: x\r\n\r\na\r.\rb\r\n", b"S: x\r\n\r\na\r\n.\r\nb\r\n"),
        (b"a\r\n\n\r\r\n", b"a\r\n\r\n\r\n\r\n"),
    ],
)
def test_lone_line_ends_do_not_reach_the_wire(rendered: bytes, sent: bytes) -> None:
    """They end a message for some servers and not for others (SMTP smuggling)."""
    message = Odd("s", "x", "a@x.test", ["b@x.test"])
    message.rendered = rendered
    assert render(message) == sent


def test_message_of_djangos_own_class_is_checked() -> None:
    message = django.core.mail.EmailMessage(
        "s", "x", "a@x.test", ["b@x.test"], headers={"X-A:": "1"}
    )
    with pytest.raises(ValueError, match="header name"):
        render(message)


@pytest.mark.parametrize("eight_bit", [True, False])
def test_an_attached_mail_of_8_bits_that_does_not_say_which(eight_bit: bool) -> None:
    message = django.core.mail.EmailMessage("s", "b", "a@x.test", ["b@x.test"])
    message.attach("a.eml", "Subject: x\r\n\r\nGrüße\r\n".encode(), "message/rfc822")
    content = render(message, eight_bit=eight_bit)
    if not eight_bit:
        content = downgraded(content)
        assert content.isascii()
        assert base64.b64encode("Grüße".encode())[:8] in content
    else:
        assert "Grüße".encode() in content
