"""What no `repr` shows: for mail in the variables that Celery, logs and crash reporters look at."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, repr=False)
class Opaque(Generic[T_co]):
    """Holds a value; it is no text, mapping or sequence itself, which reporters walk through."""

    value: T_co

    def __repr__(self) -> str:
        return f"<{type(self.value).__name__}>"
