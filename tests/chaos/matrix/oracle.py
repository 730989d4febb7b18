"""What must be so at the end of a cell: each accepted mail arrived or is a dead letter, once."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

from mailqueue.outcome.outcome import Kind
from tests.canaries import found
from tests.chaos.matrix.mails import addresses, fingerprint
from tests.chaos.matrix.relay import Copy
from tests.letters import ADDRESS, BROKERS, Letter

Who = tuple[int, int]  # number of a mail and of a recipient


@dataclasses.dataclass(kw_only=True)
class Evidence:
    """What is known at the end.

    - ``told``: of each mail what its caller was told.
    - ``refused``: recipients whom the relay refused for good.
    - ``doubt``: whether nobody may know of a mail if it arrived.
    - ``left``: mails that are not finished, in the table or, without one, on the broker.
    - ``others``: what went wrong beside the mails.
    - ``public``: by name, what others may read.
    """

    told: dict[int, str]
    copies: Sequence[Copy]
    letters: Sequence[Letter]
    refused: set[Who]
    doubt: bool
    left: int
    slowest: float
    others: list[str]
    public: dict[str, str]


def arrived(copies: Sequence[Copy]) -> Counter[Who]:
    """Count what came, by mail and recipient."""
    return Counter(
        (int(number), int(who))
        for copy in copies
        for who, number in ADDRESS.findall(" ".join(copy.recipients))
    )


def owed(told: dict[int, str]) -> Iterator[Who]:
    """Yield whom accepted mail must reach."""
    for number, what in told.items():
        if what == "accepted":
            yield from ((number, who) for who in range(len(addresses(number))))


def lost(evidence: Evidence) -> list[Who]:
    """Return who got neither mail nor an end to it."""
    came = arrived(evidence.copies)
    dead = {(each.mail, each.recipient) for each in evidence.letters}
    return [who for who in owed(evidence.told) if not came[who] and who not in dead]


def second_copies(evidence: Evidence) -> Counter[Who]:
    """Count the copies after the first."""
    return Counter({who: count - 1 for who, count in arrived(evidence.copies).items() if count > 1})


def faults(evidence: Evidence) -> Iterator[str]:
    """Yield what is wrong beside what is lost and what came twice."""
    yield from evidence.others
    if evidence.left:
        yield f"{evidence.left} mails are left"
    if evidence.slowest > MOST_SECONDS:
        yield f"a caller had to wait for {evidence.slowest:.0f} s"
    yield from strange(evidence)
    for letter in evidence.letters:
        yield from wrong(letter, evidence)
    for name, text in evidence.public.items():
        if secrets := found(text):
            yield f"{name} shows {sorted(secrets)}"


# A call waits for the broker for at most ten seconds a batch, and for the database as it is set.
MOST_SECONDS = 25.0


def strange(evidence: Evidence) -> Iterator[str]:
    """Yield mails that nobody sent, or not so, or not to them."""
    ids: dict[int, set[str]] = {}
    for copy in evidence.copies:
        ids.setdefault(copy.number, set()).add(copy.message_id)
        told = evidence.told.get(copy.number)
        if told is None or not {*copy.recipients} <= {*addresses(copy.number)}:
            yield f"a stranger got mail {copy.number}"
        elif told == "rolled back":
            yield f"mail {copy.number} went out, which was rolled back"
        if copy.fingerprint != fingerprint(copy.number):
            yield f"mail {copy.number} was changed"
        if copy.names_bcc:
            yield f"mail {copy.number} names who gets it as Bcc"
    for number, several in ids.items():
        if len(several) > 1:
            yield f"mail {number} has {len(several)} Message-IDs"


def wrong(letter: Letter, evidence: Evidence) -> Iterator[str]:
    """Yield what is wrong with a dead letter: it says why, and the fault is its own."""
    yield from letter.unclear()
    who = letter.mail, letter.recipient
    if letter.kind == Kind.PERMANENT:
        if who not in evidence.refused:
            yield f"{letter.name} says {letter.reason!r}, and the relay never did"
    elif letter.kind == Kind.AMBIGUOUS:
        if not evidence.doubt:
            yield f"{letter.name} may have arrived, it says, and nothing hid whether it did"
    elif letter.kind != BROKERS:
        yield f"{letter.name} died of what passes: {letter.kind} {letter.reason}"
