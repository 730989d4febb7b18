"""The ledger: its database and table, and mail that waits there for too long."""

from collections.abc import Iterator, Sequence

from django.db import Error

from mailqueue.checks.migrated import check_table
from mailqueue.doctor.finding import Finding
from mailqueue.doctor.written import found
from mailqueue.lanes import Lane
from mailqueue.ledger.clock import limited
from mailqueue.ledger.table import table_database
from mailqueue.mail import mailers
from mailqueue.relay import INTERVAL

PATIENCE = 10.0  # seconds for the database to answer one question
LONG = 12 * INTERVAL  # in which some timer of some worker has rung
APART = 5.0  # seconds between two clocks


def look(chosen: Sequence[Lane]) -> Iterator[Finding]:
    """Yield what is wrong with the ledger, for the mail of these lanes."""
    alias = table_database()
    about = f"DATABASES[{alias!r}]"
    try:
        if missing := check_table(None, databases=[alias]):
            yield from map(found, missing)
            return
        with limited(alias, PATIENCE):
            yield from clock(about)
            for lane in chosen:
                yield from overdue(lane)
            yield from strangers(chosen[0])
    except Error as error:
        yield Finding(
            id="database-away",
            about=about,
            problem=f"the database of the ledger cannot be asked: {type(error).__name__}",
            cure="Start it, and see that the way to it, its user and its rights are right.",
            unasked=True,
        )


def clock(about: str) -> Iterator[Finding]:
    from mailqueue.ledger.watching import ahead  # a model, so not before the apps

    if abs(seconds := ahead()) > APART:
        yield Finding(
            id="database-clock",
            about=about,
            problem=f"its clock differs from the one here by {abs(seconds):.0f} s",
            cure="Let all machines ask a time server (NTP): a mail is due by the database's clock.",
        )


def overdue(lane: Lane) -> Iterator[Finding]:
    """Find mail that has been due for long while nobody has any of its mailer in hand."""
    from mailqueue.ledger.watching import is_worked_on, waiting

    if (seconds := waiting([lane.mailer])) > LONG and not is_worked_on([lane.mailer]):
        yield Finding(
            id="mail-overdue",
            about=f"MAILERS[{lane.mailer!r}]",
            problem=f"a mail has been due for {seconds:.0f} s, and nobody works on any",
            cure="Start a worker for its queue; or its target is out of order: see the log.",
        )


def strangers(lane: Lane) -> Iterator[Finding]:
    for mailer in lane.kept().strangers(list(mailers.settings)):
        yield Finding(
            id="mail-of-nobody",
            about=f"MAILERS[{mailer!r}]",
            problem="mail of this mailer is due, and MAILERS here has no such mailer",
            cure="Put it back until its mail is sent, or cancel that.",
        )
