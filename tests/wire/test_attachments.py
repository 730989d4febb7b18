"""ClaimCheck checks: a large content is stored once, verified when it comes back, and removed."""

import re
import tracemalloc
from base64 import b64encode
from datetime import UTC, date, datetime, timedelta
from email.mime.image import MIMEImage
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage

from mailqueue.codec import decode
from mailqueue.errors import AttachmentMissing, DecodeError, PublishError, TransientDeliveryError
from mailqueue.wire.attachments import FOLDER, AttachmentStore, ClaimCheck, claim_checks, purge
from mailqueue.wire.encryption import Cipher
from mailqueue.wire.envelope import Envelope, Keys, pack, unpack
from tests.wire.messages import PNG, plain, with_
from tests.wire.render import data_of, frozen, renderings
from tests.wire.test_envelope import ONE, TWO

BIG = PNG * 40
MEGA = 2**20


@pytest.fixture(params=["files", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return FileSystemStorage(tmp_path) if request.param == "files" else InMemoryStorage()


def names_in(storage: Storage) -> list[str]:
    days = storage.listdir(FOLDER)[0] if storage.exists(FOLDER) else []
    return [
        f"{FOLDER}/{day}/{name}" for day in days for name in storage.listdir(f"{FOLDER}/{day}")[1]
    ]


def packed(message: Any, store: AttachmentStore, keys: Keys) -> str:
    return pack(
        Envelope(id="a", mailer="m", queued_at=1, message=data_of(message, keep=store.keep)), keys
    )


def mail() -> Any:
    image = MIMEImage(BIG, "png")
    return with_(
        plain(headers={"Date": "d", "Message-ID": "<i@x>"}),
        attachments=[
            ("a.png", BIG, "image/png"),
            ("a.csv", "ä;b\n" * 2000, "text/csv"),
            ("small.txt", "small", "text/plain"),
            image,
        ],
    )


@pytest.mark.parametrize("keys", [Keys(["k"]), Keys(["k"], [ONE])])
def test_large_contents_stay_in_the_storage(storage: Storage, keys: Keys) -> None:
    store = AttachmentStore(storage, inline_limit=5000, cipher=keys.cipher)
    text = packed(mail(), store, keys)
    assert len(text) < 5000
    assert len(names_in(storage)) == 3
    for name in names_in(storage):
        with storage.open(name) as file:
            plain_text = file.read().startswith((PNG[:8], "ä;b\n".encode(), b64encode(PNG)[:8]))
        assert plain_text == (keys.cipher is None)
    data = unpack(text, keys).message
    fetch = AttachmentStore(storage, cipher=keys.cipher).fetch
    assert renderings(decode(data, fetch=fetch)) == renderings(frozen(mail()))


def test_mails_of_one_call_share_a_content(storage: Storage) -> None:
    store = AttachmentStore(storage, inline_limit=5000)
    texts = {packed(mail(), store, Keys(["k"])) for _ in range(20)}
    assert len(names_in(storage)) == 3
    assert len(texts) == 1
    AttachmentStore(storage, inline_limit=5000).keep(BIG)
    assert len(names_in(storage)) == 4  # another call: its content is removed for itself


def test_small_contents_travel_inline(storage: Storage) -> None:
    store = AttachmentStore(storage, inline_limit=len(BIG))
    assert store.keep(BIG) is None
    assert store.keep(BIG + b".") is not None


def kept(storage: Storage, **options: Any) -> tuple[ClaimCheck, str]:
    claim = AttachmentStore(storage, **options).keep(BIG)
    assert claim is not None
    return claim, names_in(storage)[0]


def test_a_missing_content_is_no_half_mail(storage: Storage) -> None:
    claim, name = kept(storage)
    storage.delete(name)
    with pytest.raises(AttachmentMissing, match="not in the storage"):
        AttachmentStore(storage).fetch(claim)


@pytest.mark.parametrize("altered", [BIG[:-1], BIG + b".", BIG[:-1] + b"?", b""])
def test_an_altered_content_is_refused(storage: Storage, altered: bytes) -> None:
    claim, name = kept(storage)
    storage.delete(name)
    storage.save(name, ContentFile(altered))
    with pytest.raises(AttachmentMissing, match="altered"):
        AttachmentStore(storage).fetch(claim)


def test_an_encrypted_content_needs_its_key(storage: Storage) -> None:
    claim, _ = kept(storage, cipher=Cipher([ONE]))
    assert AttachmentStore(storage, cipher=Cipher([TWO, ONE])).fetch(claim) == BIG
    for cipher in (None, Cipher([TWO])):
        with pytest.raises(DecodeError, match="no encryption key"):
            AttachmentStore(storage, cipher=cipher).fetch(claim)


class Broken(InMemoryStorage):
    """A storage that is away."""

    def _save(self, name: str, content: Any) -> str:
        raise ConnectionError("secret-bucket")

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise ConnectionError("secret-bucket")


def test_a_storage_that_is_away_is_told_from_a_missing_content(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="ConnectionError") as refused:
        AttachmentStore(Broken()).keep(BIG)
    claim, _ = kept(FileSystemStorage(tmp_path))
    with pytest.raises(TransientDeliveryError, match="ConnectionError") as later:
        AttachmentStore(Broken()).fetch(claim)
    assert "secret" not in f"{refused.value} {later.value}"


def test_a_storage_that_renames_is_refused() -> None:
    class Renaming(InMemoryStorage):
        def save(self, name: Any, content: Any, max_length: int | None = None) -> str:
            return super().save(f"{name}.bin", content, max_length)

    with pytest.raises(PublishError, match="renames"):
        AttachmentStore(Renaming()).keep(BIG)


@pytest.mark.parametrize(
    "key",
    [
        "/etc/passwd",
        "../../settings.py",
        "2026-01-31/" + "0" * 32 + "-" + "0" * 64 + "/../x",
        "2026-01-31/" + "0" * 32 + "-" + "0" * 64 + "\n",
    ],
)
def test_a_key_is_no_path(key: str) -> None:
    with pytest.raises(DecodeError, match="not a key"):
        ClaimCheck.from_data({"key": key, "size": 1, "encrypted": False})


def test_without_a_storage_a_claim_is_refused(storage: Storage) -> None:
    data = data_of(mail(), keep=AttachmentStore(storage).keep)
    with pytest.raises(DecodeError, match="no storage"):
        decode(data)


def test_contents_are_discarded_and_purged(storage: Storage) -> None:
    store = AttachmentStore(storage, inline_limit=5000)
    data = data_of(mail(), keep=store.keep)
    first, *_ = claim_checks(data)
    store.discard([first])
    store.discard([first])  # gone already: no error
    assert len(names_in(storage)) == 2
    today = datetime.now(UTC).date()
    storage.save(f"{FOLDER}/2020-01-01/not ours", ContentFile(b"x"))
    storage.save(f"{FOLDER}/2020-01-02/{'0' * 32}-{'0' * 64}", ContentFile(b"x"))
    assert purge(storage, before=today) == 1
    assert len(names_in(storage)) == 3
    assert purge(storage, before=today + timedelta(days=1)) == 2
    assert [name for name in names_in(storage) if "not ours" not in name] == []
    assert purge(InMemoryStorage(), before=date(2026, 1, 1)) == 0


def test_the_day_is_part_of_the_key(storage: Storage) -> None:
    claim, name = kept(storage)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}/.*", claim.key)
    assert name == f"{FOLDER}/{claim.key}"


def test_memory_stays_near_one_attachment(tmp_path: Path) -> None:
    """A hundred mails with one attachment of 4 MB: the sender's peak, and the worker's for ten."""
    content, keys = bytes(4 * MEGA), Keys(["k"])
    storage = FileSystemStorage(tmp_path)
    tracemalloc.start()
    try:
        store = AttachmentStore(storage, inline_limit=MEGA)
        message = plain(attachments=[("a.bin", content, "a/b")])
        texts = [packed(message, store, keys) for _ in range(100)]
        sender = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        fetch = AttachmentStore(storage).fetch
        messages = [decode(unpack(text, keys).message, fetch=fetch) for text in texts[:10]]
        worker = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(names_in(storage)) == 1
    assert messages[9].attachments[0].content == content
    assert sender < 8 * MEGA
    assert worker < 20 * MEGA
