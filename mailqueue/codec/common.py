"""A mail like most others as data, put together at once. Pure.

`preflight.is_common` has looked at all that it is made of, so `encode` would find nothing odd in
it, and takes longer to see that.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from mailqueue.codec.attributes import encode_attributes
from mailqueue.codec.classes import traits
from mailqueue.codec.contents import Contents, Keep
from mailqueue.codec.encode import ADDRESS_LISTS, written


def encode_common(
    message: Any,
    *,
    date: datetime,
    message_id: str,
    charset: str,
    attributes: Collection[str],
    keep: Keep,
    spell: Callable[[str], str],
) -> dict[str, Any]:
    """Return what `encode` returns for a mail that is common."""
    kind, contents = traits(message), Contents(keep)
    data: dict[str, Any] = {"api": kind.api}
    if message.subject:
        data["subject"] = str(message.subject)
    data["from_email"] = spell(message.from_email)
    for name in ADDRESS_LISTS:
        if addresses := getattr(message, name):
            data[name] = list(map(spell, addresses))
    data["headers"] = [["Date", written(date, date.utcoffset())], ["Message-ID", message_id]]
    if message.body:
        data["body"] = contents.text(message.body)
    data["charset"] = message.encoding or charset
    if (subtype := str(message.content_subtype)) != "plain":
        data["content_subtype"] = subtype
    if kind.multi:
        data["alternatives"] = [
            [contents.text(content), mimetype] for content, mimetype in message.alternatives
        ]
    if attributes and (extra := encode_attributes(message, attributes, "message")):
        data["attributes"] = extra
    if contents.claims:
        data["claims"] = [claim.as_data() for claim in contents.claims]
    return data
