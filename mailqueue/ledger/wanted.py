"""Which mails somebody asks for."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which mails are asked for; None is any. ``older_than`` is in seconds since it was queued.

    Raises ValueError for a blank id: most rows have a blank ``origin``.
    """

    ids: Sequence[str] | None = None
    mailer: str | None = None
    state: str | None = None
    code: int | None = None
    older_than: float | None = None

    def __post_init__(self) -> None:
        if not all(each.strip() for each in self.ids or ()):
            raise ValueError("Expected ids of mails, got a blank one.")

    def has_letter(self, *, id: str, mailer: str, code: int | None) -> bool:  # noqa: A002
        """Tell whether a dead letter of the broker is among them.

        When its mail was queued is not asked: that is in its content. So one of which the age is
        asked is not.
        """
        return (
            self.state in (None, "dead")
            and self.older_than is None
            and (self.ids is None or id in self.ids)
            and self.mailer in (None, mailer)
            and self.code in (None, code)
        )
