"""What is taken for plainly rendering must render; the rest is rendered to see."""

from datetime import UTC, datetime
from email.charset import Charset
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart

import pytest
from django.core.mail import EmailAlternative, EmailMessage, EmailMultiAlternatives
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

import mailqueue.mail
from mailqueue import compat
from mailqueue.codec import encode
from mailqueue.codec.common import encode_common
from mailqueue.codec.preflight import (
    COMMON,
    SHORT,
    check,
    check_rendering,
    is_common,
    plainly_renders,
)
from mailqueue.errors import EncodeError
from mailqueue.mail.addresses import modern
from mailqueue.smtp.rendering import render
from mailqueue.wire.attachments import ClaimCheck

PIECES = st.sampled_from(
    [*"aÄ .,;:@<>()[-'_\"\\\n\r\t\x00\x85\u2028\ud800", "=?utf-8?q?=0A?=", "x.test", "a@x.test"]
)
TEXT = st.lists(PIECES, max_size=8).map("".join)


DATE = datetime(2026, 1, 2, tzinfo=UTC)
KINDS = st.sampled_from([str, mark_safe, lazystr])


def usual_or(usual: str, strategy=TEXT) -> st.SearchStrategy:
    """Mostly what is usual, so that the one odd part is what decides."""
    return st.one_of(*[st.just(usual)] * 4, strategy)


def of_a_kind(strategy: st.SearchStrategy) -> st.SearchStrategy:
    """A text, as a template returns it, or lazy."""
    return st.builds(lambda kind, text: kind(text), KINDS, strategy)


def built(subject, address, name, value, filename, mimetype, content) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject, "body", "from@x.test", [address], reply_to=[address], headers={name: value}
    )
    message.attachments.append((filename, content, mimetype))
    text = content if isinstance(content, str) else "text"
    message.alternatives.append(EmailAlternative(text, mimetype))
    return message


@given(
    subject=of_a_kind(usual_or("Hello")),
    address=usual_or("Name <a@x.test>"),
    name=st.sampled_from(
        ["X-A", "X-B", "Sender", "To", "From", "Date", "Message-ID", "Content-Type", "List-Id"]
    ),
    value=of_a_kind(usual_or("value") | usual_or("a@x.test") | usual_or("<1.b@x.test>")),
    filename=usual_or("a.txt", st.none() | TEXT),
    mimetype=usual_or(
        "text/html", st.sampled_from(["text/plain", "image/png", "text", "message/rfc822"]) | TEXT
    ),
    content=of_a_kind(usual_or("text")) | st.binary(max_size=3),
)
def test_what_is_taken_for_plain_renders(**parts):
    message = built(**parts)
    if plainly_renders(message):
        message.message().as_bytes()


LETTERS = st.sampled_from("aZ0-_+.'\" <>@,;:()[]\\äß中\u0301\ud800\x00\n=?x")
MAILBOXES = st.from_regex(COMMON, fullmatch=True).filter(lambda text: len(text) <= SHORT)
ANY = st.none() | st.text(LETTERS, max_size=70) | TEXT


@given(
    subject=of_a_kind(usual_or("Hello", st.text(LETTERS, max_size=210) | TEXT)),
    sender=MAILBOXES | usual_or("a@x.test", ANY),
    to=st.lists(MAILBOXES, min_size=1, max_size=3) | st.lists(ANY, max_size=3),
    cc=st.lists(MAILBOXES | usual_or("a@x.test", ANY), max_size=2),
    bcc=st.lists(MAILBOXES | usual_or("a@x.test", ANY), max_size=2),
    reply_to=st.lists(MAILBOXES | usual_or("a@x.test", ANY), max_size=2),
    content=of_a_kind(usual_or("text", st.text(LETTERS))),
    mimetype=usual_or("text/html", TEXT),
    subtype=usual_or("plain", st.just("html") | TEXT),
    cls=st.sampled_from([EmailMultiAlternatives, mailqueue.mail.EmailMultiAlternatives]),
)
def test_in_what_is_common_no_check_finds_anything(
    content, mimetype, subtype, cls, sender, **fields
):
    message = cls(body=content, from_email="a@x.test", **fields)
    message.from_email, message.tags = sender, ["a"]
    message.content_subtype = subtype
    message.alternatives.append(EmailAlternative(content, mimetype))
    if is_common(message, "utf-8"):
        assert plainly_renders(message)
        check_rendering(message)
        for force_ascii in (None, False, True):
            check(message, force_ascii=force_ascii)
        how = {"date": DATE, "message_id": "<1@x.test>", "charset": "utf-8", "spell": modern}
        for keep in (lambda content: None, lambda content: ClaimCheck(key="x", size=1)):
            how |= {"keep": keep, "attributes": ["tags"]}
            assert encode_common(message, **how) == encode(message, **how)


@pytest.mark.parametrize(
    "address", ["a@x.test", "Jo Ä. O'Neil <a.o'b+c_d-e@mail-1.x.test>", "root@localhost"]
)
def test_a_mail_like_most_others_is_common(address):
    message = EmailMultiAlternatives("Grüße", "Text", address, [address], cc=[address])
    message.bcc, message.reply_to = [address], [address]
    message.attach_alternative("<p>Text</p>", "text/html")
    assert is_common(message, "utf-8")


@pytest.mark.parametrize("kind", [mark_safe, lazystr])
def test_a_mail_of_templates_is_as_common(kind):
    text = mark_safe("Text")
    message = EmailMultiAlternatives(kind("Grüße"), text, "a@x.test", ["a@x.test"])
    message.attach_alternative(text, "text/html")
    assert is_common(message, "utf-8")


def test_a_text_of_a_class_of_somebodys_own_is_looked_at():
    class Own(str):
        def encode(self, *args):
            raise ValueError

    assert not is_common(EmailMessage("Hello", Own("Text"), "a@x.test", ["a@x.test"]), "utf-8")


@pytest.mark.parametrize(
    "address",
    [
        *("", "a@x.test.", "a..b@x.test", ".a@x.test", "a@-x.test", "a@xn--a.test", "a@x..test"),
        *("a" * 60 + "@x.test", '"a" <a@x.test>', "a,b <a@x.test>", "ä@x.test", "a@ä.test", None),
    ],
)
@pytest.mark.parametrize("field", ["from_email", "to", "cc", "bcc", "reply_to"])
def test_what_is_not_common_is_looked_at(address, field):
    message = EmailMessage("Hello", "Text", "a@x.test", ["a@x.test"])
    setattr(message, field, address if field == "from_email" else [address])
    assert not is_common(message, "utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "x" * 201},
        {"subject": "a\nb"},
        {"subject": "=?utf-8?q?=0A?="},
        {"subject": None},
        {"extra_headers": {"X-A": "b"}},
        {"attachments": [("a.txt", "text", "text/plain")]},
        {"bcc": ["a@x.test"] * 50},
        {"encoding": "latin-1"},
        {"encoding": Charset("utf-8")},
        {"to": {"a@x.test"}},
        {"extra_headers": None},
        {"content_subtype": "a b"},
        {"content_subtype": "x" * 101},
        {"body": "\ud800"},
        {"message": lambda: None},
        {"recipients": lambda: ["b@x.test"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_mail_with_something_of_its_own_is_not_common(change):
    message = EmailMessage("Hello", "Text", "a@x.test", ["a@x.test"])
    vars(message).update(change)
    assert not is_common(message, "utf-8")


@pytest.mark.parametrize(
    "address",
    ["a@x.test", "Name <a@x.test>", '"Last, First" <a@x.test>', "Jürgen O'Neill <a.b+c@x-y.test>"],
)
def test_usual_mail_is_recognised(address):
    message = EmailMultiAlternatives(
        "Grüße: 50% off!", "body", address, [address], headers={"X-Campaign": "7"}
    )
    message.extra_headers |= {"Message-ID": "<7.a-b@x.test>", "Reply-To": "b@x.test"}
    message.attach_alternative("<p>body</p>", "text/html")
    message.attach("invoice 7.pdf", b"%PDF", "application/pdf")
    assert plainly_renders(message)


@pytest.mark.parametrize(
    "fields",
    [
        {"to": ["a@x.test, b@x.test"]},
        {"to": ["=?utf-8?q?a=0Ab?= <a@x.test>"]},
        {"to": ["a@exämple.test"]},
        {"subject": "=?utf-8?q?a=0Ab?="},
        {"headers": {"Date": "yesterday"}},
        {"headers": {"Message-ID": "<1@x.test>", "message-id": "<2@x.test>"}},
        {"headers": {"X-A": "1", "x-a": "2"}},
        {"to": ["ª <a@-x.test>"]},
        {"attachments": [("a.txt", "text", f"text/{'x' * 101}")]},
        {"body": "\ud800"},
    ],
)
def test_what_is_unusual_is_rendered_to_see(fields):
    assert not plainly_renders(EmailMessage(**{"to": ["a@x.test"]} | fields))


def test_a_charset_that_is_equal_to_its_name_is_rendered_to_see():
    message = EmailMessage("Hello", "Text", "a@x.test", ["a@x.test"], headers={"X-A": "b"})
    message.encoding = Charset("utf-8")
    assert not plainly_renders(message)


def test_an_alternative_that_is_no_alternative_is_rendered_to_see():
    message = EmailMultiAlternatives(to=["a@x.test"])
    message.alternatives.append(("<p>", "text/html"))
    assert not plainly_renders(message)


def test_a_message_that_renders_itself_is_rendered_to_see():
    class Own(EmailMessage):
        def message(self, *args, **kwargs):
            raise LookupError

    with pytest.raises(LookupError):
        check(Own(to=["a@x.test"]))


@pytest.mark.skipif(not compat.HAS_POLICY, reason="Django 5.2 has them")
@pytest.mark.parametrize("name", ["mixed_subtype", "alternative_subtype"])
@pytest.mark.parametrize("value", ["related", "mixed"])
def test_what_later_djangos_refuse_is_refused_in_the_caller(name, value):
    message = EmailMultiAlternatives("S", "B", "f@x.test", ["a@x.test"])
    message.attach("a.png", b"x", "image/png")
    message.attach_alternative("<p>", "text/html")
    setattr(message, name, value)
    with pytest.raises(AttributeError):
        check(message)


@pytest.mark.skipif(compat.HAS_POLICY, reason="later Djangos have none")
def test_a_subtype_is_a_word():
    message = EmailMultiAlternatives("S", "B", "f@x.test", ["a@x.test"])
    message.mixed_subtype = "é"
    with pytest.raises(EncodeError, match="mixed_subtype"):
        check(message)


def odd_part(text):
    part = MIMEBase("application", "x")
    part.set_payload(text)
    return part


def mail_with(attachment):
    message = EmailMessage("S", "B", "f@x.test", ["a@x.test"])
    message.attachments.append(attachment)  # attach() warns of MIMEBase
    return message


# Of each some Python or Django makes an object, and fails when that is written.
UNWRITABLE = {
    "a report that is a text": ("a", "x", "message/delivery-status"),
    "letters without an encoding": odd_part("é"),
    "bytes that are a text": ("a.txt", b"x", "text/plain"),
    "within a mail": ("a", mail_with(odd_part("é")), "message/rfc822"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
@pytest.mark.parametrize("cls", [EmailMultiAlternatives, mailqueue.mail.EmailMultiAlternatives])
def test_what_cannot_be_written_is_told_in_the_caller(name, cls):
    message = cls("S", "B", "f@x.test", ["a@x.test"])
    message.attachments.append(UNWRITABLE[name])
    try:
        check(message)
    except (EncodeError, AttributeError):
        return
    render(message)


@pytest.mark.parametrize("cls", [EmailMultiAlternatives, mailqueue.mail.EmailMultiAlternatives])
def test_an_alternative_that_cannot_be_written(cls):
    message = cls("S", "B", "f@x.test", ["a@x.test"])
    message.attach_alternative("x", "message/delivery-status")
    with pytest.raises(EncodeError, match="cannot be written as MIME"):
        check(message)


def test_what_is_written_to_see_is_left_as_it_is():
    part = MIMEMultipart("related")
    part.attach(odd_part("x"))
    check(mail_with(part))
    assert part.get_boundary() is None


class Changing(str):
    """A text of a class with a `str()` of its own."""

    def __str__(self):
        return "a\r\nBcc: evil@evil.test"


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": Changing("a")},
        {"headers": {"Sender": Changing("a@x.test")}},
        {"headers": {"X-A": Changing("a")}},
        {"attachments": [(Changing("a"), "x", "text/plain")]},
    ],
)
def test_a_text_is_what_it_is_written_as(fields):
    with pytest.raises(ValueError, match="line breaks"):
        check(EmailMessage(**{"to": ["a@x.test"]} | fields))


def test_a_header_that_some_pythons_cannot_write():
    message = EmailMessage("S", "B", "f@x.test", ["a@x.test"], headers={"X" * 78: ""})
    assert not plainly_renders(message)
    try:
        check(message)
    except EncodeError:
        return
    render(message)


def test_the_charset_that_a_message_does_not_name_is_that_of_the_settings(settings):
    settings.DEFAULT_CHARSET = "latin-1"
    message = EmailMessage("S", "€", "f@x.test", ["a@x.test"])
    assert plainly_renders(message)
    assert not plainly_renders(message, "latin-1")
    with pytest.raises(UnicodeEncodeError):
        check_rendering(message, "latin-1")
