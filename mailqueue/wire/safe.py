"""The one thing Django 5.2 adds to Python's MIME classes that a target can see."""

import io
from email.generator import BytesGenerator, Generator
from email.message import Message
from email.mime.base import MIMEBase


class SafePart(MIMEBase):
    """A part whose `as_bytes()` takes ``linesep``, as Django 5.2's SMTP backend asks for."""

    def as_bytes(self, unixfrom: bool = False, linesep: str | None = None) -> bytes:  # type: ignore[override]
        """Return the part as bytes; lines that begin with "From " stay as they are."""
        file = io.BytesIO()
        BytesGenerator(file, mangle_from_=False).flatten(self, unixfrom=unixfrom, linesep=linesep)
        return file.getvalue()

    def as_string(self, unixfrom: bool = False, linesep: str | None = None) -> str:  # type: ignore[override]
        """Return the part as text; lines that begin with "From " stay as they are."""
        file = io.StringIO()
        Generator(file, mangle_from_=False).flatten(self, unixfrom=unixfrom, linesep=linesep)
        return file.getvalue()


def is_safe(part: Message) -> bool:
    """Tell whether the part is one of Django's Safe classes, or ours."""
    return any(
        base is SafePart or (base.__name__ == "MIMEMixin" and base.__module__.startswith("django."))
        for base in type(part).__mro__
    )
