"""Columns of a kind of our own."""

from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField

if TYPE_CHECKING:
    Text = CharField[str, str]
else:
    Text = CharField

# Django makes a second index for LIKE of each "varchar" that has one on PostgreSQL. This is the
# same type by the name that the standard gives it.
VARCHAR = "character varying"


class Identifier(Text):
    """A text that is only compared as a whole: one index is enough."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        kind: Any = super().db_type(connection)
        return str(kind).replace("varchar", VARCHAR) if connection.vendor == "postgresql" else kind
