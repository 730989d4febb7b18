"""Samples of what each version of the wire wrote, kept to be read for ever.

``DJANGO_SETTINGS_MODULE=tests.settings python -m tests.wire.stored`` writes those that are
missing, on each Django. It never writes over one: a changed format is a new version.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.core import mail

from mailqueue.wire.attachments import ClaimCheck
from mailqueue.wire.envelope import VERSION, Envelope, Keys, pack
from tests.wire.messages import MESSAGES, MODERN, PNG, multi, plain, with_
from tests.wire.render import data_of

FOLDER = Path(__file__).parent / "samples"
KEYS = Keys(["the key of the samples"])
ENCRYPTED = Keys(["the key of the samples"], ["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="])
# All that an envelope of version 1 can be.
PACKED = re.compile(r"1\.(json|aesgcm)\.[0-9A-Za-z+/]+={0,2}:[0-9A-Za-z_-]{43}")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # W3C's own example
CONTENTS: dict[str, bytes] = {}


class Renders(mail.EmailMultiAlternatives):
    """A class that renders itself."""

    def message(self, **options: Any) -> Any:
        message = super().message(**options)
        message["X-Signed"] = "yes " * 30
        return message

    def recipients(self) -> list[str]:
        return ["other@example.test"]


def renders() -> Any:
    own = {"Date": "Sat, 31 Jan 2026 12:30:45 +0000", "Message-ID": "<own@x>"}
    message = Renders("Sübject", "Body\n", "from@example.test", ["to@example.test"], headers=own)
    message.attach("a.png", PNG, "image/png")
    return message


def keep(content: bytes | str) -> ClaimCheck | None:
    """Keep large contents in a dict, under a key that is always the same."""
    raw = content.encode() if isinstance(content, str) else content
    if len(raw) < 5000:
        return None
    digest = hashlib.sha256(raw).hexdigest()
    claim = ClaimCheck(key=f"2026-01-31/{'0' * 32}-{digest}", size=len(raw))
    CONTENTS[claim.key] = raw
    return claim


def fetch(claim: ClaimCheck) -> bytes:
    return CONTENTS[claim.key]


def claimed() -> Any:
    files = [("a.png", PNG * 40, "image/png"), ("a.csv", "ä;b\n" * 2000, "text/csv")]
    return plain(attachments=files)


def attributes() -> Any:
    return with_(multi(), metadata={"a": 1, "b": [b"x", (None, 1.5)]}, tags=["ä"], track_opens=True)


def envelope(message: Any, **options: Any) -> Envelope:
    return Envelope(
        id="0" * 32, mailer="default", queued_at=1.5, message=data_of(message, **options)
    )


def full() -> Envelope:
    return Envelope(
        id="0123456789abcdef" * 2,
        mailer="transactional",
        queued_at=1769862645.25,
        message=data_of(plain()),
        recipients=("to@example.test",),
        attempts=2,
        due_at=1769862700.0,
        expires_at=1769949045.0,
    )


SAMPLES: dict[str, Callable[[], Envelope]] = {
    **{kind: lambda make=make: envelope(make()) for kind, make in MESSAGES.items()},
    "full envelope": full,
    "resent envelope": lambda: dataclasses.replace(full(), resent=True),
    "traced envelope": lambda: dataclasses.replace(full(), traceparent=TRACEPARENT),
    "attributes": lambda: envelope(attributes(), attributes=("metadata", "tags", "track_opens")),
    "claims": lambda: envelope(claimed(), keep=keep),
    "renders itself" + ("" if MODERN else " on 5.2"): lambda: envelope(renders()),
}


def path(kind: str, version: str = VERSION) -> Path:
    """Return where the sample of a kind is."""
    return FOLDER / f"v{version}" / (re.sub(r"[^a-z0-9.]+", "-", kind.lower()) + ".txt")


def write() -> None:
    """Write the samples of this version that are missing."""
    texts = {path(kind): pack(make(), KEYS) for kind, make in SAMPLES.items()}
    texts[path("encrypted")] = pack(full(), ENCRYPTED)
    for place, text in texts.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_text(text + "\n")


if __name__ == "__main__":
    django.setup()
    write()
