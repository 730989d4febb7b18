"""What is queued for each mailer, and how old the oldest of it is."""

import dataclasses
from datetime import datetime
from typing import Any

from mailqueue import pauses
from mailqueue.broker.dead import count
from mailqueue.broker.publish import publisher
from mailqueue.lanes import Lane, lanes
from mailqueue.ledger.selection import is_installed


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """The mails of one mailer by where they are; None where its level cannot know.

    - ``kept``: "database", or "broker".
    - ``queued``: due now, ``sending``: in a worker's hands, ``deferred``: to be tried again,
      ``scheduled``: waiting for their ``send_at``.
    - ``dead``: dead letters, on the broker all of its queue.
    - ``sent``: in the last hour.
    - ``oldest``: seconds since the oldest mail was queued that has no end yet; what is scheduled
      does not count.
    - ``tasks``: messages on its queue that no worker has taken, each of which may carry
      ``batch_size`` mails, or is a ring of the ledger.
    - ``paused``: since when somebody has paused the mailer; None if nobody has.
    """

    mailer: str
    using: str
    queue: str
    kept: str
    queued: int | None = None
    sending: int | None = None
    deferred: int | None = None
    scheduled: int | None = None
    dead: int | None = None
    sent: int | None = None
    oldest: float | None = None
    tasks: int | None = None
    paused: datetime | None = None

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON data, but for ``paused``, which is a time."""
        return dataclasses.asdict(self)


def overviews() -> list[Overview]:
    """Return the overview of each mailer that queues, by alias.

    Raises `InvalidMailer`, what the database raises, and `PublishError` if the broker is asked in
    vain; with the ledger it is not asked for mail.
    """
    return [overview(lane) for _, lane in sorted(lanes().items())]


def overview(lane: Lane) -> Overview:
    """Return the overview of one lane."""
    options = lane.options
    known: dict[str, Any] = {"mailer": lane.mailer, "using": options.using, "queue": options.queue}
    known["paused"] = pauses.paused_since(lane.mailer, options.queue)
    counted = kept(lane)
    if lane.ledger is not None:
        return Overview(**known, kept="database", **counted)
    tasks = publisher().waiting(options.queue)
    # The table may have what it kept before its mailer said "ledger": None.
    dead = count(publisher(), queue=options.queue) + counted.get("dead", 0)
    return Overview(**known, kept="broker", tasks=tasks, dead=dead)


def kept(lane: Lane) -> dict[str, Any]:
    """Return the counts of the ledger; none where it is not installed."""
    if not is_installed():
        return {}
    from mailqueue.ledger.looking import counts  # a model, so not before the apps

    return counts(lane.mailer, keep_sent=lane.options.keep_sent)
