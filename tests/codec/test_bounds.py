"""What would take a worker minutes to render is an error in the caller, and costs it nothing."""

import email
from email.message import MIMEPart

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives

import mailqueue.mail
from mailqueue import compat
from mailqueue.codec.bounds import (
    BLOCK,
    DEPTH,
    FIELDS,
    LINE,
    PARTS,
    VALUE,
    check_bounds,
    check_size,
)
from mailqueue.codec.preflight import check
from mailqueue.errors import EncodeError
from mailqueue.smtp.rendering import render

COMMENTS = "(a)"  # Python's parser takes a time that grows with the square of their number


def message(**fields):
    return EmailMultiAlternatives("S", "B", "f@a.test", ["t@a.test"], **fields)


def ours(**fields):
    """Return a message that takes a MIMEPart on each Django."""
    return mailqueue.mail.EmailMessage("S", "B", "f@a.test", ["t@a.test"], **fields)


def attached(*lines):
    source = "\r\n".join([*lines, "", "body", ""])
    return [("a.eml", source.encode(), "message/rfc822")]


def content_type(text):
    part = MIMEPart()
    part.set_raw("Content-Type", text)
    return part


def with_header(text):
    part = MIMEPart()
    part["X-Long"] = text
    return part


LONG = {
    "subject": lambda: EmailMessage("é" * (VALUE + 1), "B", "f@a.test", ["t@a.test"]),
    "from_email": lambda: EmailMessage("S", "B", f"{'é' * LINE} <f@a.test>", ["t@a.test"]),
    "to[1]": lambda: EmailMessage("S", "B", to=["t@a.test", f"{COMMENTS * 400} t@a.test"]),
    "cc[0]": lambda: message(cc=["," * 1000]),
    "bcc[0]": lambda: message(bcc=["é" * 40_000 + " <t@a.test>"]),
    "reply_to[0]": lambda: message(reply_to=[COMMENTS * 400]),
    "addresses: 9": lambda: message(reply_to=['"' + '\\"' * 490 + '" <a@a.test>'] * 100),
    "addresses: 2": lambda: message(cc=["é" * 600 + " <a@a.test>"] * 40),
    "attachments[0]: a header of 9": lambda: ours(attachments=[with_header("é " * 4500)]),
    "headers and names of": lambda: message(
        headers={f"X-{number}": "é " * 450 for number in range(100)}
    ),
    "headers and names": lambda: message(attachments=[("é" * 990, b"x", "image/png")] * 100),
    "headers: a value: 9": lambda: message(headers={"X-Odd": "é" * 9000}),
    "headers: a value: 8": lambda: message(headers={"Reply-To": '"' + '\\"' * 4000}),
    "headers: a value: 3": lambda: message(headers={"X-Tag": "x" * (VALUE + 1)}),
    "headers: a name": lambda: message(headers={"X" * (LINE + 1): "x"}),
    f"headers: {FIELDS + 1}": lambda: message(headers={f"X-{n}": "x" for n in range(FIELDS + 1)}),
    "attachments[0]: filename": lambda: message(attachments=[("é" * 1000, b"x", "image/png")]),
    "attachments[0]: mimetype": lambda: message(attachments=[("x", b"x", f"image/{'x' * 1000}")]),
    "alternatives[0]: mimetype": lambda: message(alternatives=[("x", f"text/{'x' * 1000}")]),
    "attachments[0]: subject": lambda: message(
        attachments=[("a.eml", EmailMessage("é" * 40_000), "message/rfc822")]
    ),
    "attachments[0]: a header line of": lambda: message(
        attachments=attached(f"To: {COMMENTS * 400}")
    ),
    "attachments[0]: headers of": lambda: message(
        attachments=attached("To: x,\r\n " + ",\r\n ".join([COMMENTS * 300] * 40))
    ),
    f"attachments[0]: {FIELDS + 1}": lambda: message(
        attachments=attached(*["X: y"] * (FIELDS + 1))
    ),
    "attachments[0]: a header of": lambda: message(
        attachments=attached("Content-Type: text/plain;\r\n " + "\r\n ".join([COMMENTS * 300] * 40))
    ),
    "attachments[0]: a header of 6": lambda: message(
        attachments=[("a", f"X: y\rContent-Type: {COMMENTS * 20_000}", "message/rfc822")]
    ),
    "attachments[0]: parts nested": lambda: message(
        attachments=attached(*["Content-Type: message/rfc822", ""] * (DEPTH + 1), "X: y")
    ),
    "attachments[0]: more parts": lambda: message(
        attachments=attached(
            "Content-Type: multipart/mixed; boundary=x", "", *["--x", "", "a"] * PARTS, "--x--"
        )
    ),
    "attachments[0]: a header line": lambda: ours(
        attachments=[content_type("text/plain; x=" + "y" * 1000)]
    ),
}


@pytest.mark.parametrize("where", LONG)
def test_what_is_too_long_is_told_by_its_place(where):
    made = LONG[where]()
    with pytest.raises(EncodeError) as raised:
        check(made)
    assert str(raised.value).startswith(where)
    assert "allowed" in str(raised.value)
    assert "é" not in str(raised.value)


def test_many_headers_that_are_long_together():
    long = [f"X-{n}: {'x' * 900}" for n in range(BLOCK // 900 + 1)]
    with pytest.raises(EncodeError, match=r"headers of .* in all"):
        check(message(attachments=attached(*long)))


@pytest.mark.parametrize("text", ["g:" + "é " * 100, "é " * 100, ".é" * 100, '"é" ' * 100])
def test_what_is_no_address_and_takes_long_to_write(text):
    """Python takes seconds for a hundred letters."""
    for fields in (
        {"reply_to": [text]},
        {"reply_to": [text[:60]] * 8},
        {"headers": {"Sender": text}},
        {"headers": {"resent-cc": text}},
    ):
        with pytest.raises(EncodeError, match="no address, and long to write") as raised:
            check(message(**fields))
        assert "é" not in str(raised.value)


def test_many_addresses_in_one_header_are_some():
    people = ", ".join(f"李小龙 Müller & Co. <n{number}@a.test>" for number in range(60))
    check(message(headers={"To": people}, reply_to=["Käufer & Söhne: a@b.test;"] * 20))


@pytest.mark.skipif(not compat.HAS_POLICY, reason="Django 5.2 does not parse them")
@pytest.mark.parametrize("text", ["(" * 900, "(" * 20_000])
def test_what_is_nested_too_deeply_is_an_error_of_ours(text):
    with pytest.raises((EncodeError, ValueError)):
        check(message(reply_to=[f"{text[:990]} t@a.test"], headers={"Sender": text}))


def test_mail_as_it_comes_is_not_too_long():
    people = [f"Jürgen Müller {n} <mueller{n}@example.test>" for n in range(300)]
    forwarded = attached(
        *[f"Received: from a.test by b.test with ESMTPS id {n}; {'x' * 200}" for n in range(50)],
        "To: " + ",\r\n ".join(people[:200]),
        "DKIM-Signature: v=1; b=" + "\r\n ".join(["x" * 70] * 10),
        "Content-Type: text/plain",
    )
    made = message(
        cc=people,
        headers={"X-SMTPAPI": '{"sub": ["a"]}, ' * 500, "References": "<1@a.test> " * 100},
        attachments=[*forwarded, ("Quartalsbericht für alle.pdf", b"%PDF", "application/pdf")],
    )
    check(made)
    check(message(bcc=[f'"{name}" <n@a.test>' for name in ("Müller, Jürgen", "李小龙李")] * 4000))


@pytest.mark.skipif(not compat.HAS_POLICY, reason="Django 5.2 folds them anew, in linear time")
def test_an_attached_mail_goes_as_it_came():
    long = "X-Long: " + "word " * 100 + "end"
    odd = "To: " + "(a)" * 300 + "x@a.test"
    made = message(attachments=attached(long, odd, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="))
    check(made)
    content = render(made)
    assert f"\r\n{long}\r\n{odd}\r\n".encode() in content


def test_an_attached_message_object_is_looked_at_too():
    source = email.message_from_bytes(attached(f"To: {'x' * 1000}")[0][1])
    with pytest.raises(EncodeError, match=r"^attachments\[0\]: a header line of 1004 characters"):
        check_bounds(message(attachments=[("a.eml", source, "message/rfc822")]))


@pytest.mark.parametrize(
    "made",
    [
        EmailMessage("S", "x" * 1001),
        message(alternatives=[("x" * 1001, "text/html")]),
        message(attachments=[("a", b"x" * 600, "image/png"), ("b", b"x" * 600, "image/png")]),
        message(attachments=[("a.eml", EmailMessage("S", "x" * 1001), "message/rfc822")]),
    ],
)
def test_a_message_that_is_too_large_is_not_read_first(made):
    with pytest.raises(EncodeError, match="1000 are allowed"):
        check_size(made, 1000, inline=None)


def test_what_goes_to_the_storage_does_not_count():
    made = message(attachments=[("a", b"x" * 5000, "image/png")])
    check_size(made, 1000, inline=500)


@pytest.mark.parametrize("name", ["alternatives", "attachments"])
def test_what_can_be_looked_at_once_alone_is_an_error(name):
    """It would be empty when the mail is put into data, which would go without it."""
    mail = message()
    setattr(mail, name, iter([]))
    with pytest.raises(EncodeError, match=f"{name}: expected a list, got an iterator"):
        check_size(mail, 1000, inline=None)
