"""The mailers that somebody has paused, and perhaps forgotten."""

from collections.abc import Iterator, Sequence

from django.db import DatabaseError

from mailqueue.doctor.finding import Finding
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane
from mailqueue.pauses import paused_since


def look(lanes: Sequence[Lane]) -> Iterator[Finding]:
    """Yield the paused mailers."""
    for lane in lanes:
        try:
            since = paused_since(lane.mailer, lane.options.queue)
        except (PublishError, DatabaseError):
            return  # who looks at the broker and the ledger tells it
        if since is not None:
            yield Finding(
                id="mailer-paused",
                about=f"MAILERS[{lane.mailer!r}]",
                problem=f"somebody paused it on {since:%Y-%m-%d at %H:%M}: its mail waits",
                cure=f"If that is over: manage.py mailqueue resume {lane.mailer}",
            )
