"""The OPTIONS of the queue mailer, checked once, when the mailer is built."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from mailqueue.delivery.retry import RetryPolicy


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class QueueOptions:
    """What one queue mailer was told.

    - ``using``: alias of the mailer that delivers.
    - ``queue``: name of the broker queue (a lane of its own for urgent mail, say).
    - ``priority``: 0 (least) to 9 (most urgent), on either broker; None leaves it to the broker.
    - ``on_commit``: inside `transaction.atomic` publish when it commits.
    - ``batch_size``: messages that travel as one task.
    - ``retry``: when to try again what was refused for now.
    """

    DEFAULT_QUEUE: ClassVar[str] = "mailqueue"

    using: str
    queue: str = DEFAULT_QUEUE
    priority: int | None = None
    on_commit: bool = True
    batch_size: int = 10
    retry: RetryPolicy = dataclasses.field(default_factory=RetryPolicy)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in dataclasses.fields(cls))

    @classmethod
    def from_mailer(cls, options: Mapping[str, Any]) -> Self:
        """Build from OPTIONS; ValueError names the option, what was expected and what was got."""
        expect("using", options.get("using"), "using" in options, "set to a mailer's alias")
        return cls(**{**options, "retry": RetryPolicy.from_options(options.get("retry"))})

    def __post_init__(self) -> None:
        expect("using", self.using, isinstance(self.using, str) and self.using, "a mailer's alias")
        expect("queue", self.queue, isinstance(self.queue, str) and self.queue, "a queue's name")
        expect(
            "priority",
            self.priority,
            self.priority is None or (is_int(self.priority) and 0 <= self.priority <= 9),
            "None or a whole number from 0 to 9",
        )
        expect("on_commit", self.on_commit, isinstance(self.on_commit, bool), "True or False")
        expect(
            "batch_size",
            self.batch_size,
            is_int(self.batch_size) and 1 <= self.batch_size <= 1000,
            "a whole number from 1 to 1000",
        )


def is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def expect(option: str, got: Any, valid: object, expected: str) -> None:
    if not valid:
        raise ValueError(f"'{option}' must be {expected}, got {got!r}")
