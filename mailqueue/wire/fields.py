"""Read JSON objects strictly: data from the broker is checked field by field, never trusted."""

from typing import Any, TypeVar, cast

from mailqueue.errors import DecodeError

T = TypeVar("T")
REQUIRED: Any = object()


class Fields:
    """Take the fields of one JSON object, each with its type; what nobody took is an error.

    ``where`` names the object in the errors, which never repeat anything of the data.
    """

    def __init__(self, data: object, where: str) -> None:
        self._data = dict(typed(data, dict, where))
        self._where = where

    def take(self, name: str, kind: type[T], default: Any = REQUIRED) -> T:
        """Return the field if its type is exactly ``kind``; a bool is not an int here."""
        value = self._data.pop(name, default)
        if value is default:
            if value is REQUIRED:
                raise DecodeError(f"{self._where}: '{name}' is missing")
            return cast("T", value)
        return typed(value, kind, f"{self._where}: '{name}'")

    def any(self, name: str, default: Any = REQUIRED) -> Any:
        """Return the field, whatever it is; the caller checks it."""
        return self.take(name, type(self._data.get(name)), default)

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def end(self) -> None:
        """Refuse fields that were not taken: they would be lost without a word."""
        if self._data:
            raise DecodeError(f"{self._where}: {len(self._data)} unknown field(s)")


def typed(value: object, kind: type[T], where: str) -> T:
    """Return the value if its type is exactly ``kind``, else raise `DecodeError`."""
    if type(value) is not kind:
        raise DecodeError(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    return value


def pair_of(data: object, where: str) -> tuple[Any, Any]:
    """Return the two items of a JSON array of two."""
    pair = typed(data, list, where)
    if len(pair) != 2:
        raise DecodeError(f"{where}: expected a pair")
    return pair[0], pair[1]
