"""EmailMessage and EmailMultiAlternatives: 6.1's rules on each Django."""

import email.policy
from email import message_from_bytes
from email.message import EmailMessage as PythonMessage
from email.message import MIMEPart

import pytest
from django.core import mail as django_mail

from mailqueue.mail import (
    EmailAlternative,
    EmailAttachment,
    EmailMessage,
    EmailMultiAlternatives,
    MailerDoesNotExist,
)

CLASSES = [EmailMessage, EmailMultiAlternatives]
TO = ["to@example.test"]


def parsed(message):
    return message_from_bytes(message.message().as_bytes(), policy=email.policy.default)


@pytest.mark.parametrize("cls", CLASSES)
def test_they_are_djangos_to_others(cls):
    assert issubclass(cls, getattr(django_mail, cls.__name__))
    assert isinstance(EmailMultiAlternatives(), EmailMessage)


@pytest.mark.parametrize("cls", CLASSES)
def test_all_arguments(cls):
    message = cls(
        "Subject",
        "Body",
        "from@example.test",
        ("to@example.test",),
        bcc=["bcc@example.test"],
        attachments=[EmailAttachment("a.txt", "text", "text/plain")],
        headers={"X-Tag": "x"},
        cc=["cc@example.test"],
        reply_to=["reply@example.test"],
    )
    assert message.recipients() == ["to@example.test", "cc@example.test", "bcc@example.test"]
    made = parsed(message)
    assert made["Subject"] == "Subject"
    assert made["From"] == "from@example.test"
    assert made["To"] == "to@example.test"
    assert made["Cc"] == "cc@example.test"
    assert made["Reply-To"] == "reply@example.test"
    assert made["X-Tag"] == "x"
    assert "bcc" not in made
    assert [part.get_filename() for part in made.iter_attachments()] == ["a.txt"]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("name", ["to", "cc", "bcc", "reply_to"])
def test_one_address_is_no_list(cls, name):
    with pytest.raises(TypeError, match=f'"{name}" argument must be a list or tuple'):
        cls(**{name: "a@example.test"})


@pytest.mark.parametrize("cls", CLASSES)
def test_send(outbox, cls):
    assert cls(to=TO).send() == 1
    assert cls(to=TO).send(using="other") == 1
    assert [sent.sent_using for sent in outbox] == ["default", "other"]
    assert type(outbox[0]) is cls


def test_send_to_nobody_builds_nothing(settings):
    settings.MAILERS = {}
    assert EmailMessage().send() == 0
    assert EmailMessage().send(using="gone") == 0


def test_send_using_what_is_not_there(outbox):
    with pytest.raises(MailerDoesNotExist):
        EmailMessage(to=TO).send(using="gone")


def test_hooks_of_subclasses(outbox):
    class Blind(EmailMessage):
        def recipients(self):
            return ["hidden@example.test"]

        def message(self, **kwargs):
            made = super().message(**kwargs)
            made["X-Hook"] = "yes"
            return made

    assert Blind().send() == 1
    assert outbox[0].message()["X-Hook"] == "yes"


def test_a_subclass_with_get_connection_is_refused(outbox):
    class Old(EmailMessage):
        def get_connection(self, fail_silently=False):
            return None

    with pytest.raises(AttributeError, match="get_connection"):
        Old(to=TO).send()


@pytest.mark.parametrize("cls", CLASSES)
def test_policy(cls):
    made = cls("Subject", "Body", to=TO).message(policy=email.policy.SMTP)
    assert isinstance(made, PythonMessage)
    lines = made.as_bytes().split(b"\r\n")
    assert not any(b"\n" in line or b"\r" in line for line in lines)


def test_the_message_stays_as_it_is_when_rendered():
    part = MIMEPart()
    part.set_content(b"x", "image", "png")
    message = EmailMultiAlternatives("S", "B", to=TO, attachments=[part])
    before = dict(vars(message))
    message.message()
    message.message(policy=email.policy.SMTP)
    assert vars(message) == before
    assert message.attachments[0] is part


def test_encoding():
    message = EmailMessage("Sübject", "Bödy", to=TO)
    message.encoding = "iso-8859-1"
    made = parsed(message)
    assert made.get_content_charset() == "iso-8859-1"
    assert made.get_content().strip() == "Bödy"


def test_content_subtype():
    message = EmailMessage("S", "<p>", to=TO)
    message.content_subtype = "html"
    assert parsed(message).get_content_type() == "text/html"


@pytest.mark.parametrize("kind", [tuple, EmailAttachment._make])
def test_attachments_by_constructor_and_by_method_are_the_same(kind):
    given = EmailMessage(attachments=[kind(("a.txt", "text", "text/plain"))])
    added = EmailMessage()
    added.attach("a.txt", "text", "text/plain")
    assert (
        given.attachments == added.attachments == [EmailAttachment("a.txt", "text", "text/plain")]
    )


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("a.txt", "text"), ("a.txt", "text", "text/plain")),
        (("a.txt", "tëxt".encode()), ("a.txt", "tëxt", "text/plain")),
        (("a.txt", b"\xff\xfe"), ("a.txt", b"\xff\xfe", "application/octet-stream")),
        (("a.png", b"\x89"), ("a.png", b"\x89", "image/png")),
        (("a.unknown-", b"x"), ("a.unknown-", b"x", "application/octet-stream")),
        ((None, "x", "text/csv"), (None, "x", "text/csv")),
    ],
)
def test_attach(args, expected):
    message = EmailMessage()
    message.attach(*args)
    assert message.attachments == [expected]


def test_attach_without_content():
    with pytest.raises(ValueError, match="content must be provided"):
        EmailMessage().attach("a.txt")


@pytest.mark.parametrize(("name", "data"), [("a.txt", "tëxt".encode()), ("b.bin", b"\xff")])
@pytest.mark.parametrize("as_text", [True, False])
def test_attach_file(tmp_path, name, data, as_text):
    path = tmp_path / name
    path.write_bytes(data)
    message = EmailMessage(to=TO)
    message.attach_file(str(path) if as_text else path)
    [part] = parsed(message).iter_attachments()
    assert part.get_filename() == name
    content = part.get_content()
    assert (content.encode() if isinstance(content, str) else content).rstrip(b"\n") == data


def test_a_part_travels_with_its_headers():
    part = MIMEPart()
    part.set_content(b"\x89png", "image", "png", disposition="inline", filename="Grüße.png")
    part["Content-ID"] = "<logo@example.test>"
    for message in (EmailMessage("S", "B", to=TO), EmailMultiAlternatives("S", "B", to=TO)):
        message.attach(part)
        [attached] = [
            each for each in parsed(message).walk() if each.get_content_type() == "image/png"
        ]
        assert attached["Content-ID"] == "<logo@example.test>"
        assert attached.get_content_disposition() == "inline"
        assert attached.get_filename() == "Grüße.png"
        assert attached.get_content() == b"\x89png"


def test_a_part_of_parts():
    inner = PythonMessage()
    inner.set_content("text")
    inner.add_related(b"x", "image", "gif", cid="<c>")
    message = EmailMessage("S", "B", to=TO, attachments=[inner])
    types = [part.get_content_type() for part in parsed(message).walk()]
    assert types == [
        "multipart/mixed",
        "text/plain",
        "multipart/related",
        "text/plain",
        "image/gif",
    ]


@pytest.mark.parametrize("more", [{"content": "x"}, {"mimetype": "text/plain"}])
def test_a_part_is_complete(more):
    with pytest.raises(ValueError, match="content and mimetype must not be given when a MIMEPart"):
        EmailMessage().attach(MIMEPart(), **more)


@pytest.mark.parametrize("form", ["django", "python", "bytes"])
def test_a_message_in_a_message(form):
    inner = EmailMessage("Inner", "Body", "i@example.test", ["j@example.test"])
    content = {
        "django": inner,
        "python": inner.message(),
        "bytes": inner.message().as_bytes(),
    }[form]
    message = EmailMessage("Outer", "Body", to=TO)
    message.attach("mail.eml", content, "message/rfc822")
    [part] = [p for p in parsed(message).walk() if p.get_content_type() == "message/rfc822"]
    assert part.get_payload(0)["Subject"] == "Inner"


def test_alternatives():
    message = EmailMultiAlternatives(
        "S", "text", to=TO, alternatives=[("<p>", "text/html"), EmailAlternative("x", "text/x")]
    )
    message.attach_alternative(b"\x00", "application/x")
    assert message.alternatives == [
        EmailAlternative("<p>", "text/html"),
        EmailAlternative("x", "text/x"),
        EmailAlternative(b"\x00", "application/x"),
    ]
    assert all(isinstance(each, EmailAlternative) for each in message.alternatives)
    made = parsed(message)
    assert made.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in made.iter_parts()] == [
        "text/plain",
        "text/html",
        "text/x",
        "application/x",
    ]


@pytest.mark.parametrize("args", [(None, "text/html"), ("<p>", None)])
def test_an_alternative_has_both(args):
    with pytest.raises(ValueError, match="Both content and mimetype"):
        EmailMultiAlternatives().attach_alternative(*args)


def test_body_contains():
    message = EmailMultiAlternatives(body="I am text", alternatives=[("I am html", "text/html")])
    assert message.body_contains("I am")
    assert not message.body_contains("I am text")


def test_old_names_come_from_django():
    from mailqueue.mail import message

    assert message.SafeMIMEText is django_mail.message.SafeMIMEText
    with pytest.raises(AttributeError):
        _ = message.gone
