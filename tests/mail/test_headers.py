"""Header injection: nothing with a line break gets as far as a backend."""

import pytest
from django.core import mail as django_mail
from django.utils.translation import gettext_lazy

from mailqueue.mail import EmailMessage, EmailMultiAlternatives
from mailqueue.mail.headers import check_headers

TO = ["to@example.test"]
EVIL = ["x\r\nBcc: evil@example.test", "x\nX: y", "x\ry", "x\n"]
PLACES = {
    "subject": lambda text: {"subject": text},
    "lazy subject": lambda text: {"subject": gettext_lazy(text)},
    "from": lambda text: {"from_email": text},
    "to": lambda text: {"to": [*TO, text]},
    "cc": lambda text: {"cc": [text]},
    "bcc": lambda text: {"bcc": [text]},
    "reply_to": lambda text: {"reply_to": [text]},
    "header value": lambda text: {"headers": {"X-Tag": text}},
    "From header": lambda text: {"headers": {"From": text}},
    "header name": lambda text: {"headers": {text: "x"}},
    "file name": lambda text: {"attachments": [(text, b"x", "application/x")]},
    "mimetype": lambda text: {"attachments": [("x", b"x", f"application/{text}")]},
    "alternative": lambda text: {"alternatives": [("x", f"text/{text}")]},
}


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("place", PLACES)
def test_a_line_break_is_a_value_error_and_nothing_is_sent(outbox, place, text):
    message = EmailMultiAlternatives(**{"to": TO, "body": "x", **PLACES[place](text)})
    with pytest.raises(ValueError):  # noqa: PT011 (Django's texts differ)
        message.send()
    assert outbox == []


@pytest.mark.parametrize("cls", [EmailMultiAlternatives, django_mail.EmailMultiAlternatives])
@pytest.mark.parametrize("place", PLACES)
def test_it_is_found_without_rendering_in_djangos_classes_too(cls, place):
    with pytest.raises(ValueError, match=r"linefeed or carriage return|printable ASCII"):
        check_headers(cls(**{"to": TO, **PLACES[place]("x\r\nX: y")}))


def test_in_a_message_in_a_message():
    inner = EmailMessage("x\ny")
    with pytest.raises(ValueError, match="linefeed"):
        check_headers(EmailMessage(attachments=[("a.eml", inner, "message/rfc822")]))


@pytest.mark.parametrize("name", ["", "X Tag", "X-Tag:", "X-Täg", "X\tTag", "X-Tag\n", "\x7f"])
def test_what_is_no_header_name(name):
    with pytest.raises(ValueError, match="RFC 5322") as raised:
        EmailMessage(to=TO, headers={name: "x"}).message()
    assert not name or name not in str(raised.value)


@pytest.mark.parametrize("name", ["X-Tag", "x_tag!", "Auto-Submitted", "~"])
def test_what_is_a_header_name(name):
    assert EmailMessage(to=TO, headers={name: "x"}).message()[name] == "x"


@pytest.mark.parametrize("name", ["Bcc", "bcc", "BCC"])
def test_bcc_is_no_header(name):
    with pytest.raises(ValueError, match="Bcc is not a valid email header"):
        EmailMessage(to=TO, headers={name: "x@example.test"}).message()


def test_a_body_may_have_lines():
    check_headers(EmailMessage("S", "a\r\nb\n", to=TO, attachments=[("a", "b\nc", "text/plain")]))
