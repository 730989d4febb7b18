"""What is taken for plainly rendering must render; the rest is rendered to see."""

import pytest
from django.core.mail import EmailAlternative, EmailMessage, EmailMultiAlternatives
from hypothesis import given
from hypothesis import strategies as st

from mailqueue import compat
from mailqueue.codec.preflight import check, plainly_renders
from mailqueue.errors import EncodeError

PIECES = st.sampled_from(
    [*"aÄ .,;:@<>()[-'_\"\\\n\r\t\x00\x85\u2028\ud800", "=?utf-8?q?=0A?=", "x.test", "a@x.test"]
)
TEXT = st.lists(PIECES, max_size=8).map("".join)


def usual_or(usual: str, strategy=TEXT) -> st.SearchStrategy:
    """Mostly what is usual, so that the one odd part is what decides."""
    return st.one_of(*[st.just(usual)] * 4, strategy)


def built(subject, address, name, value, filename, mimetype, content) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject, "body", "from@x.test", [address], reply_to=[address], headers={name: value}
    )
    message.attachments.append((filename, content, mimetype))
    message.alternatives.append(EmailAlternative(content, mimetype))
    return message


@given(
    subject=usual_or("Hello"),
    address=usual_or("Name <a@x.test>"),
    name=st.sampled_from(
        ["X-A", "X-B", "X-C", "Sender", "To", "Date", "Message-ID", "Content-Type", "List-Id"]
    ),
    value=usual_or("value"),
    filename=usual_or("a.txt", st.none() | TEXT),
    mimetype=usual_or(
        "text/html", st.sampled_from(["text/plain", "image/png", "text", "message/rfc822"]) | TEXT
    ),
    content=usual_or("text", TEXT | st.binary(max_size=3)),
)
def test_what_is_taken_for_plain_renders(**parts):
    message = built(**parts)
    if plainly_renders(message):
        message.message().as_bytes()


@pytest.mark.parametrize(
    "address",
    ["a@x.test", "Name <a@x.test>", '"Last, First" <a@x.test>', "Jürgen O'Neill <a.b+c@x-y.test>"],
)
def test_usual_mail_is_recognised(address):
    message = EmailMultiAlternatives(
        "Grüße: 50% off!", "body", address, [address], headers={"X-Campaign": "7"}
    )
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
        {"body": "\ud800"},
    ],
)
def test_what_is_unusual_is_rendered_to_see(fields):
    assert not plainly_renders(EmailMessage(**{"to": ["a@x.test"]} | fields))


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
