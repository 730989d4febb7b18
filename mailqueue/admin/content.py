"""A payload as people read it: text, HTML, headers and attachments."""

import base64
import dataclasses
import re
import secrets
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any

from mailqueue.codec import Fetch, decode
from mailqueue.errors import DecodeError, DeliveryError, TookTooLong
from mailqueue.lanes import lane_of
from mailqueue.ledger.models import Entry
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.watch import RENDERING, bounded
from mailqueue.wire.attachments import ClaimCheck
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import worker_keys

# Stands in for a content that the attachment storage does not give; no mail can hold it.
GONE = secrets.token_hex(32).encode()
# What connects to another server although a Content-Security-Policy forbids to load from there:
# elements and links. They get another name, so a browser does not know them.
UNBOUND = re.compile(
    r"(?<=<)(?=(?:link|meta|base|i?frame|object|embed|animate|set)\b)"
    r"|(?<=[\s\"'/:])(?=href\s*=)",
    re.IGNORECASE,
)
CID = re.compile(r"cid:([^\s\"'<>()]+)")
# What a browser shows as a picture and in which no script can run.
PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
MOST_PICTURES = 32 * 2**20  # characters in one page: one picture may be shown many times


class Unreadable(Exception):  # noqa: N818 (a page says it, nothing has failed)
    """The content of a mail cannot be shown; the text says why, to people."""


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Attachment:
    """A part that is shown by its name alone; ``content`` is None if the storage lacks it."""

    name: str
    type: str
    cid: str
    content: bytes | None


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Content:
    """A mail as it would be sent now; ``text`` and ``html`` are None where it has none."""

    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    attachments: list[Attachment]


def content_of(entry: Entry) -> Content:
    """Open the payload of a row; raise `Unreadable`."""
    if not entry.payload:
        raise Unreadable("The content of this mail is not kept any more.")
    try:
        envelope = unpack(entry.payload, worker_keys())
        if (envelope.id, envelope.mailer) != (entry.pk, entry.mailer):
            raise Unreadable("The content in this row is that of another mail.")
        data = {name: value for name, value in envelope.message.items() if name != "attributes"}
        fetch = fetch_for(entry.mailer)
        return bounded(RENDERING, lambda: parsed(decode(data, fetch=fetch)))
    except DecodeError as error:
        raise Unreadable(
            f"The content cannot be opened here ({type(error).__name__}). Are SECRET_KEY and the"
            " encryption keys those of the sender?"
        ) from None
    except TookTooLong:
        raise Unreadable("It takes too long to make this mail.") from None
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001 (whatever a mail does to the library that makes it)
        raise Unreadable(f"This mail cannot be made ({type(error).__name__}).") from None


def fetch_for(mailer: str) -> Fetch:
    """Return what fetches stored contents, GONE in the place of those that are not to be had."""
    try:
        store = lane_of(mailer).store()
    except InvalidMailer:
        store = None

    def fetch(claim: ClaimCheck) -> bytes:
        try:
            return store.fetch(claim) if store else GONE
        except (DecodeError, DeliveryError):
            return GONE

    return fetch


def parsed(message: Any) -> Content:
    """Read a message from the bytes that would be sent."""
    mime = message_from_bytes(message.message().as_bytes())
    bodies: dict[str, str] = {}
    attachments = []
    for part in leaves(mime):
        kind = part.get_content_type()
        is_body = kind in ("text/plain", "text/html") and not is_attachment(part)
        if is_body and kind not in bodies:
            bodies[kind] = text_of(part)
        else:
            attachments.append(attachment(part))
    headers = [(name, readable(value)) for name, value in mime.items()]
    return Content(headers, bodies.get("text/plain"), bodies.get("text/html"), attachments)


def leaves(part: Message) -> Iterator[Message]:
    """Yield the parts that hold something; a mail within the mail is one."""
    if part.get_content_maintype() != "multipart" or not part.is_multipart():
        yield part
        return
    for inner in part.get_payload():
        if isinstance(inner, Message):
            yield from leaves(inner)


def is_attachment(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or part.get_filename() is not None


def attachment(part: Message) -> Attachment:
    raw = bytes_of(part)
    return Attachment(
        name=filename(part),
        type=part.get_content_type(),
        cid=str(part.get("Content-ID", "")).strip(" <>"),
        content=None if GONE in raw else raw,
    )


def bytes_of(part: Message) -> bytes:
    if part.is_multipart():  # message/rfc822
        return b"".join(each.as_bytes() for each in part.get_payload() if isinstance(each, Message))
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def text_of(part: Message) -> str:
    raw = bytes_of(part)
    if GONE in raw:
        return "(This text was kept in the attachment storage, which does not give it.)"
    try:
        return raw.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def filename(part: Message) -> str:
    """Return a name without a folder and without what no file system takes."""
    name = readable(collapse_rfc2231_value(part.get_filename() or ""))
    return re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[/\\]", name)[-1]).strip(". ") or "unnamed"


def readable(value: object) -> str:
    """Return a header with its encoded words decoded (RFC 2047)."""
    try:
        return str(make_header(decode_header(str(value))))
    except (HeaderParseError, LookupError, ValueError):
        return str(value)


def html_for_browser(content: Content) -> str:
    """Return the HTML with the pictures that the mail brings along in it (RFC 2392)."""
    pictures = {
        each.cid: f"data:{each.type};base64,{base64.b64encode(each.content).decode('ascii')}"
        for each in content.attachments
        if each.cid and each.content and each.type in PICTURES
    }
    room = MOST_PICTURES

    def picture(found: re.Match[str]) -> str:
        nonlocal room
        room -= len(data := pictures.get(found[1], ""))
        return data if data and room >= 0 else found[0]

    return CID.sub(picture, UNBOUND.sub("x-", content.html or ""))
