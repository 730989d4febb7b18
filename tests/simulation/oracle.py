"""What must be so at the end: each mail arrived, or is a dead letter, and once but for a reason.

And in time: for no longer than what was in its way can last, once all is well again.

What it allows is named on the page of guarantees: a second copy by `Excuses`, and here

- a mail that a target never tells of, since Django's backends count mails and not recipients;
- a mail that goes late, as its worker was stopped after it had asked whether that may go, or its
  clock was set then;
- an end that is wrong by as much as the clocks are.
"""

from collections import Counter
from collections.abc import Iterator

from mailqueue.broker.dead import read
from mailqueue.outcome.outcome import Kind
from tests.letters import BROKERS, Letter, letters_in, letters_of
from tests.simulation.jobs import UNDONE
from tests.simulation.plan import Mail
from tests.simulation.rows import TABLE
from tests.simulation.windows import Window
from tests.simulation.world import World

DELIVERIES = 10  # of RabbitMQ, until it buries a message


def heal(world: World) -> None:
    """Let all be well again, and time go on until nobody has anything to do."""
    world.tell("all is well again")
    world.healed_at = world.clock.now
    world.mishaps.end()
    world.server.trouble, world.server.pace, world.server.healed = "", 0.01, True
    for _ in range(300):
        if not world.orders and world.rows.is_paused():
            world.orders.append("resume")
        moment = min(map(world.ready_at, world.processes))
        if moment == float("inf"):
            return
        if not any(process.busy for process in world.processes.values()):
            world.clock.reach(moment)
        world.go(max(moment - world.clock.now, 0.0) + 0.5)
        if world.defects:
            return
    world.defects.append("there is always something left to do")


def faults(world: World) -> Iterator[str]:
    """Yield what is not as it must be."""
    yield from world.defects
    yield from (f"a stranger was sent mail: {each}" for each in world.server.strangers)
    got = Counter((copy.mail, each) for copy in world.server.copies for each in copy.recipients)
    letters = list(dead_letters(world))
    dead = Counter((each.mail, each.recipient) for each in letters)
    for mail in world.mails.values():
        for number in range(len(mail.fate.recipients)):
            who = mail.number, number
            name = f"mail {mail.number} for recipient {number}"
            known = mail.told != "accepted" or is_untold(mail, world)
            if not (known or got[who] or dead[who]):
                yield f"{name} is lost"
            if mail.told == UNDONE and (got[who] or dead[who]):
                yield f"{name} was rolled back, and went out all the same"
            windows = world.excuses.windows[who]
            if got[who] + dead[who] > 1 + len(windows):
                why = list(map(str, windows)) or "nothing"
                yield f"{name} arrived {got[who]} times and died {dead[who]} times, {why} allows it"
            if world.plan.ledger and got[who] > 2 + windows.count(Window.STOPPED):
                yield f"{name} arrived {got[who]} times"
    if world.plan.ledger:
        yield from (f"a row is left: {each}" for each in unfinished(world))
    yield from untimely(world)
    yield from late(world)
    for letter in letters:
        yield from wrong(letter, world)


def is_untold(mail: Mail, world: World) -> bool:
    """Tell whether a target that only counts mails has sent this one to some, and not to all."""
    sent = any(copy.mail == mail.number for copy in world.server.copies)
    return sent and not world.plan.reports and len(mail.fate.recipients) > 1


def unfinished(world: World) -> list[str]:
    query = f"SELECT id, state FROM {TABLE} WHERE due_at IS NOT NULL"
    return [f"{name} is {state}" for name, state in world.rows.ask(query)]


def untimely(world: World) -> Iterator[str]:
    """Yield mails that went too early, or when their time was over by the worker's clock."""
    # Who only counts mails asks for none of them again once it begins to connect.
    slow = 0.1 if world.plan.reports else 120.0
    for copy in world.server.copies:
        mail = world.mails[copy.mail]
        late = copy.begun_at - (mail.expires_at or float("inf"))
        if late > slow and not copy.stopped:
            yield f"mail {mail.number} went out {late:.0f} s after it had expired"
        clock = copy.true_at if world.plan.ledger else copy.at
        early = (mail.send_at or 0.0) - clock
        wrong = world.clocks["web"].error if world.plan.ledger else 0.0
        if early > 0.01 + wrong and not copy.stopped:
            yield f"mail {mail.number} went out {early:.0f} s before its time"
        # What was in hand when the pause began may go.
        if any(since < copy.claimed_at < until for since, until in world.pauses):
            yield f"mail {mail.number} was claimed while its mailer was paused"


def late(world: World) -> Iterator[str]:
    """Yield mails that waited for longer than anything lasts, once all was well again."""
    for copy in world.server.copies:
        mail = world.mails[copy.mail]
        since = max(world.healed_at, mail.send_at or 0.0, mail.accepted_at or 0.0)
        waited = copy.true_at - since
        if waited > world.longest_rest:
            yield f"mail {mail.number} waited for {waited:.0f} s, though all was well"


def dead_letters(world: World) -> Iterator[Letter]:
    for row in world.rows.dead():
        yield from letters_in(row)
    for body in world.broker.dead:
        yield from letters_of(read(body))


def wrong(letter: Letter, world: World) -> Iterator[str]:
    """Yield what is wrong with a dead letter: it says why, and the fault is its own."""
    name = letter.name
    yield from letter.unclear()
    if letter.ran_out:
        yield from too_soon(letter, world)
    elif letter.blames_the_mailer:
        yield f"{name} is dead for a fault of the mailer: {letter.reason}"
    elif letter.kind == Kind.PERMANENT:
        said_no = world.server.said_no
        # Django's backend tells an error of a content for all, also for who was refused before.
        of_mail = not world.plan.reports and letter.mail in {mail for mail, _ in said_no}
        if not (of_mail or (letter.mail, letter.recipient) in said_no):
            yield f"{name} says {letter.reason!r}, and the server never did"
    elif letter.kind == Kind.AMBIGUOUS:
        needed = 1 if world.plan.ambiguous == "hold" else 2
        if len(world.excuses.doubts[letter.mail]) < needed:
            yield f"{name} may have arrived, it says, and everybody knows: {letter.reason!r}"
    elif letter.kind == BROKERS:
        if world.excuses.returned[letter.mail] <= DELIVERIES:
            yield f"{name} was buried by the broker without need"
    elif letter.reason.startswith("tried"):
        # It may have been refused for now before, or met a time limit: each attempt counts.
        tried = world.server.odd[letter.mail] + world.server.asked[letter.mail, letter.recipient]
        tried += world.mishaps.happened["limit"]
        if not world.server.odd[letter.mail] or tried < world.plan.unknown_attempts:
            yield f"{name} died too soon: {letter.reason}"
    else:
        yield f"{name} died of what passes: {letter.reason}"


def too_soon(letter: Letter, world: World) -> Iterator[str]:
    """Yield whether a mail died before its time was over."""
    mail, plan = world.mails[letter.mail], world.plan
    if letter.reason.startswith("expired"):
        over_at = mail.expires_at or float("inf")
    else:
        queued_at = max(mail.send_at or 0.0, mail.accepted_at or 0.0)
        over_at = queued_at + plan.max_age + held(queued_at, letter.died_at, world)
    # By the clocks of whoever queued it and of whoever let it die.
    if letter.died_at < over_at - plan.longest_wait - 2 * world.clock_error:
        yield f"{letter.name} says {letter.reason!r}, and it was not"


def held(begin: float, end: float, world: World) -> float:
    """Return for how long the mailer was paused in between, which makes no mail of it older."""
    pauses = world.pauses if world.plan.ledger else []
    return sum(max(0.0, min(end, until) - max(begin, since)) for since, until in pauses)
