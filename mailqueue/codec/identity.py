"""The Message-ID of a message as data, to name it in logs and signals. Pure."""

from collections.abc import Mapping
from typing import Any

MOST = 200  # characters; a project may have set any text


def message_id_of(data: Mapping[str, Any]) -> str:
    """Return the Message-ID of an encoded message, in one line; "" where there is none."""
    headers = data.get("headers")
    for pair in headers if isinstance(headers, list) else ():
        match pair:
            case [str(name), str(value)] if name.lower() == "message-id":
                line = " ".join(value.split())
                if not line.isprintable():
                    line = "".join(filter(str.isprintable, line))
                return line[:MOST]
    return ""
