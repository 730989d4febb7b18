"""Whether mail can be queued and is sent, for load balancers and monitoring: cheap and bounded.

`manage.py mailqueue doctor` says what is wrong and how to mend it.
"""

import dataclasses
from collections.abc import Callable, Mapping

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mailqueue.bounded import Unanswered, within
from mailqueue.broker.looking import dead_letters, reach
from mailqueue.broker.publish import Publisher, publisher
from mailqueue.broker.support import is_eager
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane, lanes
from mailqueue.ledger.clock import limited
from mailqueue.ledger.selection import is_installed
from mailqueue.ledger.table import table_database, unapplied

PATIENCE = 2.0  # seconds for the broker, and for the database
WAIT = 600.0  # seconds


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What was asked, part by part: "" where it is well, else what is wrong, in few words.

    No text holds an address, a password or a host.
    """

    parts: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether all parts are well."""
        return not any(self.parts.values())


def health(*, max_wait: float = WAIT, max_dead: int | None = None) -> Health:
    """Ask how mail is; raises nothing, and ends within about five seconds.

    - ``max_wait``: seconds for which a mail of the ledger may be due while no worker takes it.
    - ``max_dead``: how many dead letters may be there; None does not count them.
    """
    try:
        known = lanes()
    except Exception:  # noqa: BLE001 (a backend of anybody may do what it likes)
        return Health(parts={"settings": "MAILERS is wrong: see 'manage.py check'"})
    parts: dict[str, str] = {}
    if known:
        parts |= broker(known, max_dead)
    if known and is_installed():
        parts |= answered("ledger", lambda: of_ledger(known, max_wait, max_dead))
    return Health(parts=parts)


@login_not_required
@never_cache
@require_safe
@non_atomic_requests
def view(
    request: HttpRequest, *, max_wait: float = WAIT, max_dead: int | None = None
) -> JsonResponse:
    """Answer 200 if mail is well and 503 if not, with the names of the parts and nothing else."""
    found = health(max_wait=max_wait, max_dead=max_dead)
    parts = {name: not wrong for name, wrong in found.parts.items()}
    return JsonResponse({"ok": found.ok, "parts": parts}, status=200 if found.ok else 503)


def answered(name: str, ask: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Return what a part says of itself; that it cannot be asked is wrong, too."""
    try:
        return within(PATIENCE, ask, name=f"health-{name}")
    except Unanswered:
        return {name: f"no answer within {PATIENCE:.0f} s"}
    except Exception as error:  # noqa: BLE001 (whatever it is, this part is not well)
        return {name: f"cannot be asked: {type(error).__name__}"}


def broker(known: Mapping[str, Lane], most: int | None) -> dict[str, str]:
    """Ask the broker; by the app of this thread, since Celery's current one is each thread's."""
    if is_eager():
        return {}
    try:
        sender = publisher()
    except PublishError:
        return {"broker": "its URL is missing or wrong: see 'manage.py check'"}
    return answered("broker", lambda: of_broker(sender, known, most))


def of_broker(sender: Publisher, known: Mapping[str, Lane], most: int | None) -> dict[str, str]:
    """Connect to the broker, and count what died where it alone keeps mail."""
    bare = sorted({lane.options.queue for lane in known.values() if lane.ledger is None})
    if most is None or not bare:
        reach(sender)
        return {"broker": ""}
    return {"broker": "", "broker_dead": too_many(dead_letters(sender, bare), most)}


def of_ledger(known: Mapping[str, Lane], longest: float, most: int | None) -> dict[str, str]:
    """Ask the table whether mail waits too long, and count what died there."""
    alias = table_database()
    try:
        with limited(alias, PATIENCE):
            return {"ledger": "", **looked_at(list(known), longest, most)}
    except DatabaseError:
        if unapplied(connections[alias]):
            return {"ledger": "its table lacks a migration: run 'manage.py migrate'"}
        raise


def looked_at(mailers: list[str], longest: float, most: int | None) -> dict[str, str]:
    from mailqueue.ledger import watching  # a model, so not before the apps

    watching.touch()
    late = (seconds := watching.waiting(mailers)) > longest
    found = {"ledger_wait": f"a mail has been due for {seconds:.0f} s" if late else ""}
    if most is not None:
        found["ledger_dead"] = too_many(watching.dead_up_to(mailers, most + 1), most)
    return found


def too_many(number: int, most: int) -> str:
    return f"more than {most} dead letters" if number > most else ""
