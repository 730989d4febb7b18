"""All that the doctor looks at, one subject after the other, each bounded in time."""

import functools
from collections.abc import Callable, Iterator, Sequence

from django.core.exceptions import ImproperlyConfigured

from mailqueue.bounded import Unanswered, within
from mailqueue.broker.support import broker_fault, is_eager, known_carrier
from mailqueue.checks.entries import queueing
from mailqueue.doctor import brokers, ledgers, paused, storages, targets, workers, written
from mailqueue.doctor.finding import Finding
from mailqueue.lanes import Lane, lane_of
from mailqueue.ledger.selection import is_installed
from mailqueue.mail import mailers
from mailqueue.mail.using import deliverers

PATIENCE = 60.0  # seconds for one subject; of the targets that is one mailer

Step = Callable[[], Iterator[Finding]]


def diagnose(aliases: Sequence[str] = (), *, probe: bool = True) -> Iterator[Finding]:
    """Yield what is wrong with mailers and all that their mail passes; all mailers by default.

    Without ``probe`` nothing is published, stored or opened. Raises `ImproperlyConfigured` where
    MAILERS cannot be read, or has no mailer of a name.
    """
    known = mailers.settings
    if not known:
        raise ImproperlyConfigured("MAILERS must have a mailer to look at, has none.")
    if unknown := sorted(set(aliases) - set(known)):
        raise ImproperlyConfigured(
            f"MAILERS must have {unknown[0]!r} to look at it, has {sorted(known)}."
        )
    chosen = list(aliases or known)
    yield from bounded("settings", functools.partial(written.look, chosen))
    lanes = [lane for alias in chosen if alias in queueing() and (lane := lane_or_none(alias))]
    silent: set[str] = set()
    for name, step in steps(chosen, lanes, probe=probe):
        if name == "workers" and "broker" in silent:
            continue  # they are asked through it
        for finding in bounded(name, step):
            yield finding
            if finding.unasked:
                silent.add(name)


def steps(
    aliases: Sequence[str], lanes: Sequence[Lane], *, probe: bool
) -> Iterator[tuple[str, Step]]:
    """Yield what there is to look at, with its name."""
    if lanes and has_broker():
        yield "broker", functools.partial(brokers.look, lanes)
        yield "workers", functools.partial(workers.look, lanes, probe=probe)
    if lanes and is_installed():
        yield "ledger", functools.partial(ledgers.look, lanes)
    if lanes and (is_installed() or has_broker()):
        yield "pauses", functools.partial(paused.look, lanes)
    if not probe:
        return
    for lane in lanes:
        if lane.options.attachments is not None:
            yield f"storage of {lane.mailer!r}", functools.partial(storages.look, lane)
    entries = mailers.settings
    ends = {end for alias in aliases for end in deliverers(alias, entries) or [alias]}
    for alias in sorted(ends - {lane.mailer for lane in lanes}):
        yield f"MAILERS[{alias!r}]", functools.partial(targets.look, alias)


def bounded(name: str, step: Step) -> Iterator[Finding]:
    """Yield what a step finds; that it fails, or takes too long, is a finding, too."""
    found: list[Finding] = []
    app = known_carrier()

    def run() -> None:
        if app is not None:
            app.set_current()  # Celery's current app is one of each thread
        found.extend(step())

    cure = "Look at this part by hand; what stands above and below holds all the same."
    try:
        within(PATIENCE, run, name=name)
    except Unanswered:
        problem = f"no answer within {PATIENCE:.0f} s"
        found.append(Finding(id="step-slow", about=name, problem=problem, cure=cure, unasked=True))
    except Exception as error:  # noqa: BLE001 (the other steps have their say)
        problem = f"the look at it failed: {type(error).__name__}"
        found.append(
            Finding(id="step-failed", about=name, problem=problem, cure=cure, unasked=True)
        )
    yield from found


def lane_or_none(alias: str) -> Lane | None:
    """Return the lane of a queue mailer; None if it cannot be built, which the checks tell."""
    try:
        return lane_of(alias)
    except ImproperlyConfigured:
        return None


def has_broker() -> bool:
    """Tell whether there is a broker to ask; where one is missing or wrong, the checks say so."""
    return known_carrier() is not None and not is_eager() and not broker_fault()
