"""Mail that is written directly has the bytes that Django and Python's email package give."""

import email.policy
import re
from email.contentmanager import raw_data_manager
from email.message import EmailMessage as Part
from typing import Any

import django.core.mail
import pytest
from django.core.mail.message import EmailAlternative, EmailAttachment
from django.utils.safestring import mark_safe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mailqueue.mail
from mailqueue import compat
from mailqueue.mail.headers import BREAKS
from mailqueue.smtp import encodings, policy
from mailqueue.smtp.assembly import assembled
from mailqueue.smtp.rendering import render
from tests.wire.strategies import messages

pytestmark = pytest.mark.skipif(not compat.HAS_POLICY, reason="Django 5.2 takes no policy")

BOUNDARY = re.compile(rb"={15}\d+==")
POLICIES = [policy.SMTP, policy.SMTPUTF8, policy.SMTP_7BIT]
HEADERS = {"Date": "Mon, 02 Jan 2006 15:04:05 -0000", "Message-ID": "<1.a@x.test>"}
THOROUGH = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)


def slowly(message: Any, chosen: Any) -> Any:
    """Give the bytes without what is random in them, or the error."""
    try:
        mime = compat.smtp_mime(message, chosen)
        return BOUNDARY.sub(b"", compat.as_smtp_bytes(mime, message, chosen))
    except Exception as error:  # noqa: BLE001 (any, as long as it is the same)
        return type(error)


def directly(message: Any, chosen: Any) -> Any:
    try:
        written = assembled(message, chosen)
    except Exception as error:  # noqa: BLE001
        return type(error)
    return written and BOUNDARY.sub(b"", written)


def check(message: Any) -> bool:
    """Compare under each policy; tell whether the message was common."""
    common = False
    for chosen in POLICIES:
        found = directly(message, chosen)
        if found is not None:
            common = True
            assert found == slowly(message, chosen)
    return common


SOME = "aZ09 =.\t\r\n\x0b\x0c\x1c\x85\u2028\xe9\x7f\x00?_\U0001f600"
words = st.text(st.sampled_from(SOME), max_size=90)
# Around the length of a line, where blanks and quoted characters decide.
lines = st.builds(
    lambda start, run, length, end: (start + run * 90)[:length] + end,
    *(words, st.sampled_from(["a", "=", " ", "\xe9", "a=", "ab\xe9", "."])),
    st.integers(70, 90),
    st.sampled_from(["", " ", "\t", "=", "\xe9", "x ", ".", "  "]),
)
bodies = st.lists(words | lines, max_size=14).map("\n".join)


@THOROUGH
@given(bodies, st.booleans())
def test_texts_are_encoded_as_python_does(content: str, eight_bit: bool) -> None:
    chosen = policy.SMTP if eight_bit else policy.SMTP_7BIT
    part = Part(policy=chosen)
    raw_data_manager.set_content(part, content, charset="utf-8")
    head, _, body = part.as_bytes().partition(b"\r\n\r\n")
    encoding, written = encodings.text(content, eight_bit=eight_bit)
    assert written == body
    assert f"Content-Transfer-Encoding: {encoding}".encode() in head


@given(st.binary(max_size=400))
def test_contents_are_encoded_as_python_does(content: bytes) -> None:
    for kind in (bytes, bytearray, memoryview):
        part = Part(policy=policy.SMTP)
        raw_data_manager.set_content(part, kind(content), maintype="a", subtype="b")
        assert encodings.base64(kind(content)) == part.as_bytes().partition(b"\r\n\r\n")[2]


@THOROUGH
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@given(messages())
def test_any_message_has_the_same_bytes(message: Any) -> None:
    message.extra_headers |= HEADERS
    check(message)


subjects = st.text(st.sampled_from('aZ 9=?:;,<>@"\\é\t'), max_size=100)
addresses = st.sampled_from(
    [
        *("a@x.test", "Ann <a@x.test>", "Ann B Smith <a.b+c@x-y.test>", '"B, A" <a@x.test>'),
        *("a@x", "a_b@X.Test", "Ann  B <a@x.test>", "<a@x.test>", "a@x.test (Ann)", "Ann Smith"),
        *("", " a@x.test", "a@x.test ", "undisclosed:;", f"{'a' * 60}@{'x' * 30}.test"),
        "A. B <a@x>",
        *("a@x.test, b@x.test", "a.@x.test", "1@2.3", "Ann<a@x.test>", "=?utf-8?q?A?= <a@x.test>"),
    ]
)
names = st.sampled_from(
    ["a.pdf", "Grüße.pdf", "a b.pdf", 'a"b.pdf', "x" * 80, "", None, ".", "a;b", "a\\b", "=?x?="]
)
kinds = st.sampled_from(
    [
        *("application/pdf", "image/png", "text/plain", "text/csv", "message/rfc822", "a/b"),
        *("multipart/mixed", "text/calendar", "TEXT/plain", "text/x y", "text", ""),
        "text/html; charset=latin-1",
    ]
)
attachments = st.tuples(names, st.binary(max_size=80) | bodies, kinds)
extras = st.dictionaries(
    st.sampled_from(
        [
            *("X-A", "List-Unsubscribe", "Subject", "From", "from", "To", "Cc", "Reply-To", "Bcc"),
            *("Return-Path", "References", "Date", "date", "Content-Type", "MIME-Version"),
            *("Message-Id", "Resent-To", "Auto-Submitted", "Content-Language", "Sender"),
        ]
    ),
    subjects | addresses,
    max_size=3,
)


def made(cls: Any, parts: dict[str, Any]) -> Any:
    message = cls(parts["subject"], parts["body"], parts["from_email"], parts["to"])
    message.cc, message.reply_to = parts["cc"], parts["reply_to"]
    message.extra_headers = HEADERS | parts["headers"]
    message.content_subtype = parts["subtype"]
    message.encoding = parts["encoding"]
    message.attachments = [EmailAttachment(*each) for each in parts["attachments"]]
    if hasattr(message, "alternatives"):
        message.alternatives = [EmailAlternative(*each) for each in parts["alternatives"]]
    return message


classes = st.sampled_from(
    [
        getattr(api, name)
        for api in (django.core.mail, mailqueue.mail)
        for name in ("EmailMessage", "EmailMultiAlternatives")
    ]
)
of_any = st.builds(
    made,
    classes,
    st.fixed_dictionaries(
        {
            "subject": subjects,
            "body": bodies,
            "from_email": addresses,
            "to": st.lists(addresses, max_size=4),
            "cc": st.lists(addresses, max_size=2),
            "reply_to": st.lists(addresses, max_size=1),
            "headers": extras,
            "subtype": st.sampled_from(["plain", "html", "x.y", "a b", "", "PLAIN"]),
            "encoding": st.sampled_from([None, None, "utf-8", "latin-1", "ascii", "UTF-8"]),
            "attachments": st.lists(attachments, max_size=2),
            "alternatives": st.lists(st.tuples(bodies, kinds), max_size=2),
        }
    ),
)


@settings(THOROUGH, max_examples=600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@given(of_any)
def test_odd_messages_have_the_same_bytes(message: Any) -> None:
    check(message)


def common(cls: Any = django.core.mail.EmailMultiAlternatives, **given: Any) -> Any:
    text, html = "Hello Ann,\n" * 20, "<p>Grüße</p>" * 40
    message = cls("Your order 7", text, "Shop <shop@x.test>", ["ann@x.test"], headers=HEADERS)
    message.attach_alternative(html, "text/html")
    message.attach("invoice.pdf", bytes(range(256)) * 9, "application/pdf")
    message.attach("Übersicht.csv", "a;b\n", "text/csv")
    for name, value in given.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize("api", [django.core.mail, mailqueue.mail])
def test_common_mail_is_written_directly(api: Any) -> None:
    assert check(common(api.EmailMultiAlternatives))
    assert check(api.EmailMessage("s", "b", "a@x.test", ["b@x.test"], headers=HEADERS))


@pytest.mark.parametrize("api", [django.core.mail, mailqueue.mail])
def test_a_mail_of_templates_is_written_directly(api: Any) -> None:
    body = mark_safe("Grüße,\n.\n" * 20)
    message = common(api.EmailMultiAlternatives, body=body, subject=mark_safe("Grüße"))
    message.attach_alternative(mark_safe("<p>Grüße</p>" * 40), "text/html")
    assert check(message)


class Own(django.core.mail.EmailMultiAlternatives):
    def _add_bodies(self, msg: Any) -> Any:
        return super()._add_bodies(msg)  # type: ignore[misc]


@pytest.mark.parametrize(
    "message",
    [
        common(Own),
        common(body=""),
        common(encoding="latin-1"),
        common(content_subtype="a b"),
        common(to=["a@bücher.test"]),
        common(extra_headers={"Message-ID": "<1@x.test>"}),
        common(extra_headers=HEADERS | {"Subject": "twice"}),
        common(message=lambda policy: Part()),
        common(attachments=[Part()]),
        common(body="\udc80"),
    ],
    ids=range(10),
)
def test_what_is_not_common_is_left_to_django(message: Any) -> None:
    assert [assembled(message, chosen) for chosen in POLICIES] == [None] * 3


def test_a_header_that_is_several_is_refused() -> None:
    with pytest.raises(ValueError, match=BREAKS):
        render(common(extra_headers=HEADERS | {"X-A": "a\r\nBcc: eve@x.test"}))


def test_two_renderings_have_boundaries_of_their_own() -> None:
    message = common()
    assert len({*BOUNDARY.findall(render(message)), *BOUNDARY.findall(render(message))}) == 4


def test_the_usual_policy_writes_the_same() -> None:
    message = common()
    smtp = email.policy.SMTP.clone(refold_source="none")
    written = BOUNDARY.sub(b"", message.message(policy=smtp).as_bytes())
    assert directly(message, policy.SMTP) == written
