"""What the doctor found."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and how to mend it, each in one line.

    ``unasked``: a part could not be asked, so more may be wrong there. No text holds a secret, an
    address, or what a server wrote.
    """

    id: str
    about: str
    problem: str
    cure: str
    unasked: bool = False

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return dataclasses.asdict(self)
