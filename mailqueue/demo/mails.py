"""The mails of the demo, written and sent as any Django project does it."""

import dataclasses
import time
from email.message import EmailMessage as MIMEMessage
from email.message import MIMEPart
from email.utils import formataddr

from mailqueue.mail import EmailMessage, EmailMultiAlternatives, mailers, send_mail

MANY = 1000
SENDER = formataddr(("Demo", "demo@example.test"))

# One recipient of the many each; the SMTP server treats them badly.
GREYLISTED = "guest0100@example.test"
REFUSED = "guest0200@example.test"
DISCONNECTED = "guest0300@example.test"

# The smallest PNG there is: one transparent pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What Django's mail API said: `mails` accepted, in `seconds` altogether."""

    mails: int
    recipients: frozenset[str]
    seconds: float


def send_all() -> Sent:
    """Send every kind of mail; time the calls, not the writing of the mails."""
    single = [with_everything(), forwarded(), not_ascii()]
    many = [invitation(number) for number in range(1, MANY + 1)]
    begin = time.perf_counter()
    mails = send_mail("Plain", "Just text.", SENDER, ["plain@example.test"])
    for message in single:
        mails += message.send()
    mails += mailers.default.send_messages(many)
    seconds = time.perf_counter() - begin
    recipients = {name for message in (*single, *many) for name in message.recipients()}
    return Sent(
        mails=mails,
        recipients=frozenset({"plain@example.test", *map(bare, recipients)}),
        seconds=seconds,
    )


def bare(recipient: str) -> str:
    """Return the address of a recipient that may have a name before it."""
    return recipient.rpartition("<")[2].rstrip(">")


def with_everything() -> EmailMessage:
    """Write an HTML alternative with an inline image, an attachment and a bcc."""
    message = EmailMultiAlternatives(
        "HTML, inline image, attachment, bcc",
        "Your mail program shows no HTML.",
        SENDER,
        ["html@example.test"],
        bcc=["hidden@example.test"],
    )
    message.attach_alternative('<p>A pixel: <img src="cid:pixel"></p>', "text/html")
    image = MIMEPart()
    image.set_content(PIXEL, "image", "png", disposition="inline", cid="<pixel>")
    message.attach(image)
    message.attach("figures.csv", "month,mails\nMay,1004\n", "text/csv")
    return message


def forwarded() -> EmailMessage:
    """Write a mail that carries another mail."""
    original = MIMEMessage()
    original["Subject"] = "The original"
    original["From"] = "someone@example.test"
    original.set_content("Please read.")
    message = EmailMessage("Fwd: The original", "See below.", SENDER, ["forwarded@example.test"])
    message.attach("original.eml", original, "message/rfc822")
    return message


def not_ascii() -> EmailMessage:
    """Write a mail whose subject and names need more than ASCII."""
    return EmailMessage(
        "Größe, ціна, 価格 ✓",
        "Zażółć gęślą jaźń.",
        formataddr(("Žofie Dvořáková", "demo@example.test")),
        [formataddr(("Jürgen Müller", "names@example.test"))],
    )


def invitation(number: int) -> EmailMessage:
    return EmailMessage(
        f"Invitation {number}", "Please come.", SENDER, [f"guest{number:04}@example.test"]
    )
