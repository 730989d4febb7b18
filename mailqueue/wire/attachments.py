"""Claim checks: large contents stay in a Django storage, and the envelope says where.

One store serves one call of `send_messages()`, or one task: a content that several of its mails
share is written once and read once.
"""

import dataclasses
import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import InvalidStorageError, Storage, storages

from mailqueue.errors import AttachmentMissing, DecodeError, PublishError, TransientDeliveryError
from mailqueue.expectations import unexpected
from mailqueue.wire.encryption import Cipher
from mailqueue.wire.fields import Fields

FOLDER = "mailqueue"
KEY = re.compile(r"\d{4}-\d{2}-\d{2}/[0-9a-f]{32}-[0-9a-f]{64}", re.ASCII)  # day / call - SHA-256
PURPOSE = b"mailqueue attachment 1"
LARGEST = 2**31  # bytes of one content; its memory is asked for before it is read
SEEN = 8  # contents that are known again without hashing; they stay in memory for it


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClaimCheck:
    """Says where a content is; ``key`` is no path, ``size`` is that of the stored bytes."""

    key: str
    size: int
    encrypted: bool = False

    def as_data(self) -> dict[str, Any]:
        """Return the claim as JSON data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_data(cls, data: object) -> "ClaimCheck":
        """Return the claim; raise `DecodeError` for a key that is not of our making."""
        fields = Fields(data, "claim")
        claim = cls(
            key=fields.take("key", str),
            size=fields.take("size", int),
            encrypted=fields.take("encrypted", bool),
        )
        fields.end()
        if not KEY.fullmatch(claim.key) or not 0 <= claim.size <= LARGEST:
            raise DecodeError("claim: not a key of the attachment storage")
        return claim


class AttachmentStore:
    """Keep and fetch the contents above ``inline_limit`` (bytes) in a storage."""

    def __init__(
        self, storage: Storage, *, inline_limit: int = 0, cipher: Cipher | None = None
    ) -> None:
        self._storage = storage
        self._inline_limit = inline_limit
        self._cipher = cipher
        self._call = uuid.uuid4().hex
        self._kept: dict[bytes, ClaimCheck] = {}
        self._seen: dict[int, tuple[bytes | str, ClaimCheck]] = {}
        self._fetched: dict[str, bytes] = {}

    def keep(self, content: bytes | str) -> ClaimCheck | None:
        """Store the content, once, and return its claim; None if it may travel inline.

        Raises `PublishError` when the storage fails.
        """
        if len(content) <= self._inline_limit:
            return None
        if (seen := self._seen.get(id(content))) is not None:
            return seen[1]
        raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        digest = hashlib.sha256(raw).digest()
        if digest not in self._kept:
            self._kept[digest] = self._save(raw)
        while len(self._seen) >= SEEN:
            del self._seen[next(iter(self._seen))]
        # Holding the content keeps its id() from naming another.
        self._seen[id(content)] = (content, self._kept[digest])
        return self._kept[digest]

    def fetch(self, claim: ClaimCheck) -> bytes:
        """Return the content, verified.

        Raises `AttachmentMissing` if it is gone or altered, `TransientDeliveryError` if the
        storage cannot say.
        """
        if claim.key not in self._fetched:
            self._fetched[claim.key] = self._load(claim)
        return self._fetched[claim.key]

    def discard(self, claims: Iterable[ClaimCheck]) -> None:
        """Delete contents that no mail needs any more; one that is gone already is no error."""
        for claim in claims:
            self._storage.delete(_name(claim))

    def _save(self, content: bytes) -> ClaimCheck:
        stored = content if self._cipher is None else self._cipher.encrypt(content, PURPOSE)
        digest = hashlib.sha256(stored).hexdigest()
        claim = ClaimCheck(
            key=f"{datetime.now(UTC).date().isoformat()}/{self._call}-{digest}",
            size=len(stored),
            encrypted=self._cipher is not None,
        )
        try:
            name = self._storage.save(_name(claim), ContentFile(stored))
        except Exception as error:
            raise PublishError(f"the attachment storage failed: {type(error).__name__}") from error
        if name != _name(claim):
            raise PublishError("the attachment storage renames what it is given")
        return claim

    def _load(self, claim: ClaimCheck) -> bytes:
        try:
            with self._storage.open(_name(claim), "rb") as file:
                stored: bytes = file.read(claim.size + 1)
        except FileNotFoundError:
            raise AttachmentMissing("an attachment is not in the storage") from None
        except Exception as error:
            raise TransientDeliveryError(
                f"the attachment storage failed: {type(error).__name__}"
            ) from error
        digest = hashlib.sha256(stored).hexdigest()
        if len(stored) != claim.size or not claim.key.endswith(digest):
            raise AttachmentMissing("an attachment was altered in the storage")
        if not claim.encrypted:
            return stored
        if self._cipher is None:
            raise DecodeError("no encryption key opens it")
        return self._cipher.decrypt(stored, PURPOSE)


def attachment_store(alias: str, *, inline_limit: int, cipher: Cipher | None) -> AttachmentStore:
    """Return a store on a storage of Django's STORAGES, for one call or one task.

    Raises ValueError for an alias that STORAGES does not have.
    """
    try:
        storage = storages[alias]
    except InvalidStorageError:
        raise unexpected("attachments", alias, "an alias in STORAGES") from None
    return AttachmentStore(storage, inline_limit=inline_limit, cipher=cipher)


def claim_checks(data: Mapping[str, Any]) -> list[ClaimCheck]:
    """Return the claims that an encoded message holds."""
    claims = data.get("claims", [])
    if not isinstance(claims, list):
        raise DecodeError("message: claims: expected a list")
    return [ClaimCheck.from_data(claim) for claim in claims]


def purge(storage: Storage, *, before: date) -> int:
    """Delete what was stored on days before this one (UTC) and return the number of contents."""
    try:
        days, _ = storage.listdir(FOLDER)
    except FileNotFoundError:
        return 0
    deleted = 0
    for day in days:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) or day >= before.isoformat():
            continue
        _, names = storage.listdir(f"{FOLDER}/{day}")
        ours = [name for name in names if KEY.fullmatch(f"{day}/{name}")]
        for name in ours:
            storage.delete(f"{FOLDER}/{day}/{name}")
        if len(ours) == len(names):
            storage.delete(f"{FOLDER}/{day}")  # where folders are things, it is empty now
        deleted += len(ours)
    return deleted


def _name(claim: ClaimCheck) -> str:
    return f"{FOLDER}/{claim.key}"
