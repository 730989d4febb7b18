"""The OPTIONS of the queue mailer, checked once, when the mailer is built. Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from mailqueue.codec.attributes import check_names, default_attributes
from mailqueue.expectations import expect, is_name, is_number, is_whole, unexpected
from mailqueue.outcome.retry import DAY, RetryPolicy
from mailqueue.wire.encryption import Cipher


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class QueueOptions:
    """What one queue mailer was told.

    - ``using``: alias of the mailer that delivers.
    - ``queue``: name of the broker queue (a lane of its own for urgent mail, say).
    - ``priority``: 0 (least) to 9 (most urgent), on either broker; None leaves it to the broker.
    - ``on_commit``: inside of `transaction.atomic` queue when it commits: True for the blocks on
      all databases, an alias in DATABASES for those on this one alone, False at once. With the
      ledger a block on its own database always counts.
    - ``batch_size``: messages in a worker's hands at once: that travel as one task, or are claimed
      together. A killed worker leaves no more than these in doubt.
    - ``connections``: how many open targets a worker may hand such messages to at once.
    - ``max_message_bytes``: the most that one message may be when packed (RabbitMQ 4 refuses more
      than 16 MiB).
    - ``attachments``: alias in STORAGES where contents of more than ``inline_limit`` bytes stay
      while the message travels; None lets all travel in it.
    - ``extra_attributes``: attributes of messages to carry; None means those of anymail where it
      is installed.
    - ``encryption_keys``: encrypt what travels with the first, open with any.
    - ``retry``: when to try again what was refused for now.
    - ``classifier``: dotted path of a function that says what an error of the target means, before
      we do: ``classifier(error, recipients, message)`` returns outcomes by recipient, or None.
    - ``ledger``: "database" keeps the mails, where the ledger is installed unless it is None: the
      broker alone keeps them.
    - ``lease``: seconds after which the mails in a worker's hands may go to another one; longer
      than sending ``batch_size`` mails can take.
    - ``keep_sent``: seconds that the ledger remembers a sent or cancelled mail.
    - ``keep_dead``: seconds that the ledger keeps a dead letter; None until somebody deletes it.
    - ``keep_headers``: whether the ledger keeps subject and recipients, as long as the row.
    - ``keep_content``: seconds that the ledger keeps the content of a sent mail; at most
      ``keep_sent``.
    """

    DEFAULT_QUEUE: ClassVar[str] = "mailqueue"

    using: str
    queue: str = DEFAULT_QUEUE
    priority: int | None = None
    on_commit: bool | str = True
    batch_size: int = 10
    connections: int = 1
    max_message_bytes: int = 15 * 2**20
    attachments: str | None = None
    inline_limit: int = 256 * 2**10
    extra_attributes: tuple[str, ...] | None = None
    encryption_keys: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    retry: RetryPolicy = dataclasses.field(default_factory=RetryPolicy)
    classifier: str | None = None
    ledger: Literal["database"] | None = None
    lease: float = 900.0
    keep_sent: float = 7 * DAY
    keep_dead: float | None = None
    keep_headers: bool = True
    keep_content: float = 0.0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in dataclasses.fields(cls))

    @classmethod
    def from_mailer(
        cls, options: Mapping[str, Any], *, ledger: Literal["database"] | None = None
    ) -> Self:
        """Build from OPTIONS, with the ledger of a mailer that names none.

        ValueError names the option, what was expected and what was got.
        """
        expect("using", options.get("using"), "using" in options, "set to a mailer's alias")
        retry = RetryPolicy.from_options(options.get("retry"))
        return cls(**{"ledger": ledger, **options, "retry": retry})

    @property
    def carried_attributes(self) -> tuple[str, ...]:
        """The names of ``extra_attributes``, or anymail's."""
        return default_attributes() if self.extra_attributes is None else self.extra_attributes

    def __post_init__(self) -> None:
        expect("using", self.using, is_name(self.using), "a mailer's alias")
        expect("queue", self.queue, is_name(self.queue), "a queue's name")
        expect(
            "priority",
            self.priority,
            self.priority is None or (is_whole(self.priority) and 0 <= self.priority <= 9),
            "None or a whole number from 0 to 9",
        )
        commits = isinstance(self.on_commit, bool) or is_name(self.on_commit)
        expect("on_commit", self.on_commit, commits, "True, False or an alias in DATABASES")
        for name, most in ("batch_size", 1000), ("connections", 100):
            number = getattr(self, name)
            valid = is_whole(number) and 1 <= number <= most
            expect(name, number, valid, f"a whole number from 1 to {most}")
        for name in ("max_message_bytes", "inline_limit"):
            value = getattr(self, name)
            expect(name, value, is_whole(value) and value > 0, "a number of bytes above 0")
        expect(
            "attachments",
            self.attachments,
            self.attachments is None or is_name(self.attachments),
            "None or an alias in STORAGES",
        )
        expect(
            "classifier",
            self.classifier,
            self.classifier is None or is_name(self.classifier),
            "None or the dotted path of a function",
        )
        self.check_wire()
        self.check_ledger()

    def check_wire(self) -> None:
        """Check what the wire was told, as far as only it can."""
        if self.extra_attributes is not None:
            check_names(texts("extra_attributes", self.extra_attributes))
        if self.encryption_keys:
            Cipher(texts("encryption_keys", self.encryption_keys))

    def check_ledger(self) -> None:
        expect("ledger", self.ledger, self.ledger in (None, "database"), "None or 'database'")
        for name in ("lease", "keep_sent", "keep_dead"):
            seconds = getattr(self, name)
            valid = (is_number(seconds) and seconds > 0) or (
                seconds is None and name == "keep_dead"
            )
            expect(name, seconds, valid, "a number of seconds above 0")
        headers = self.keep_headers
        expect("keep_headers", headers, isinstance(headers, bool), "True or False")
        content = self.keep_content
        valid = is_number(content) and 0 <= content <= self.keep_sent
        expect("keep_content", content, valid, "a number of seconds from 0 to that of 'keep_sent'")


def texts(option: str, got: Any) -> tuple[str, ...]:
    if not isinstance(got, list | tuple) or not all(isinstance(item, str) for item in got):
        raise unexpected(option, got, "a list of texts", secret=True)
    return tuple(got)
