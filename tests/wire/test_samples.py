"""What one version wrote every later one reads; and a version never changes what it writes."""

from pathlib import Path

import pytest

from mailqueue.codec import decode
from mailqueue.codec.attributes import ANYMAIL
from mailqueue.errors import DecodeError
from mailqueue.wire.envelope import VERSION, pack, unpack
from tests.wire.messages import MESSAGES, MODERN
from tests.wire.render import frozen, renderings
from tests.wire.stored import ENCRYPTED, FOLDER, KEYS, SAMPLES, claimed, fetch, full, keep, path

STORED = sorted(FOLDER.glob("v*/*.txt"))


def text_of(place: Path) -> str:
    return place.read_text().removesuffix("\n")


@pytest.mark.parametrize("place", STORED, ids=lambda place: f"{place.parent.name}-{place.stem}")
def test_every_sample_is_read(place: Path) -> None:
    keys = ENCRYPTED if place.stem == "encrypted" else KEYS
    for content in (item[1] for item in claimed().attachments):
        keep(content)
    envelope = unpack(text_of(place), keys)
    if MODERN and place.stem in ("related", "other-alternative"):  # Django 6.0 cannot render it
        with pytest.raises(DecodeError, match="this Django knows no"):
            decode(envelope.message)
        return
    message = decode(envelope.message, fetch=fetch, attributes=ANYMAIL)
    assert message.from_email
    assert message.extra_headers


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_a_sample_holds_is_what_was_sent(kind: str) -> None:
    for folder in FOLDER.iterdir():
        place = path(kind, folder.name.removeprefix("v"))
        if place.exists():
            message = decode(unpack(text_of(place), KEYS).message)
            assert renderings(message) == renderings(frozen(MESSAGES[kind]()))


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_format_of_a_version_is_frozen(kind: str) -> None:
    """Red? Then what is written has changed: it needs a new VERSION, and samples of that."""
    assert pack(SAMPLES[kind](), KEYS) == text_of(path(kind))


def test_an_encrypted_sample_is_the_same_envelope() -> None:
    assert unpack(text_of(path("encrypted")), ENCRYPTED) == full()


def test_each_version_has_its_samples() -> None:
    assert {folder.name for folder in FOLDER.iterdir()} == {
        f"v{number}" for number in range(1, int(VERSION) + 1)
    }
