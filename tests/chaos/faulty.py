"""An SMTP server whose answers go wrong, and that knows which it gave whole.

What it decides is what a server may decide. What goes over the wire for that is changed, by at
most one `COUNTED` way in each connection: with an answer too few and one too many no client could
tell whose is whose. Nor could it with 421 behind one of them, since then nothing is left to count.
"""

import dataclasses
import random
from collections.abc import Callable

from tests.smtp.scripted import Handler, Server

OTHERS = (b"250 2.0.0 ok", b"550 5.1.1 no", b"354 go on", b"421 4.3.2 bye", b"503 5.5.1 order",
          b"451 4.3.0 later", b"250-more\r\n250 ok")  # fmt: skip
CODES = (b"200", b"220", b"221", b"235", b"251", b"252", b"334", b"354", b"450", b"451", b"452",
         b"500", b"501", b"502", b"503", b"504", b"530", b"550", b"552", b"554",
         b"555")  # fmt: skip
NO_CODES = (b"100", b"600", b"999", b"000", b"2.0", b"+25")
DECISIONS = {
    "MAIL": (b"451 4.3.0 later", b"550 5.7.1 no", b"555 5.5.4 what", b"421 4.7.0 slow down"),
    "RCPT": (b"550 5.1.1 no", b"450 4.2.1 later", b"452 4.5.3 too many", b"421 4.7.0 bye"),
    "DATA": (b"451 4.3.0 later", b"554 5.5.1 no", b"503 5.5.1 order", b"502 5.5.1 what"),
    "BDAT": (b"451 4.3.0 later", b"554 5.5.1 no", b"503 5.5.1 order", b"502 5.5.1 what"),
    "DOT": (b"451 4.3.0 later", b"550 5.7.1 no", b"552 5.3.4 big", b"421 4.3.2 bye"),
}


@dataclasses.dataclass
class Said:
    """What goes out for one answer: pieces, and the answer that is whole in them, if one is."""

    pieces: list[bytes]
    whole: bytes | None
    closes: bool = False


Way = Callable[[bytes, random.Random], Said]


def surplus(answer: bytes, random: random.Random) -> Said:
    return Said([answer + random.choice(OTHERS) + b"\r\n"], answer)


def early(answer: bytes, random: random.Random) -> Said:
    return Said([random.choice(OTHERS) + b"\r\n" + answer], answer)


def twice(answer: bytes, random: random.Random) -> Said:
    return Said([answer, answer], answer)


def missing(answer: bytes, random: random.Random) -> Said:
    return Said([], None)


def unfinished(answer: bytes, random: random.Random) -> Said:
    return Said([answer[:3] + b"-" + answer[4:]], None)


def garbage(answer: bytes, random: random.Random) -> Said:
    noise = random.choice([random.randbytes(random.randint(1, 40)), b"ok", b"25", b"2500 x", b""])
    return Said([noise + b"\r\n"], None)


def beside_garbage(answer: bytes, random: random.Random) -> Said:
    return Said([random.randbytes(5) + b"\r\n" + answer], answer)


def half(answer: bytes, random: random.Random) -> Said:
    return Said([answer[: random.randrange(len(answer))]], None, closes=True)


def closed_after(answer: bytes, random: random.Random) -> Said:
    return Said([answer], answer, closes=True)


def two_codes(answer: bytes, random: random.Random) -> Said:
    return Said([answer[:3] + b"-x\r\n" + random.choice(CODES) + b" y\r\n"], None)


def endless(answer: bytes, random: random.Random) -> Said:
    line = answer[:3] + b"-" + b"x" * random.choice([1, 400, 70_000]) + b"\r\n"
    return Said([line * 600], None)


def bare_cr(answer: bytes, random: random.Random) -> Said:
    """Garble it: still one line, and so one answer."""
    return Said([answer.rstrip() + b"\r" + random.choice([answer, b"250 ok\r\n"])], answer)


def no_lf(answer: bytes, random: random.Random) -> Said:
    """Join it to the next one: both are one line."""
    return Said([answer.rstrip() + b"\r"], answer)


def split(answer: bytes, random: random.Random) -> Said:
    place = random.randrange(len(answer))
    return Said([answer[:place], answer[place:]], answer)


def dripped(answer: bytes, random: random.Random) -> Said:
    return Said([answer[n : n + 1] for n in range(len(answer))], answer)


def lf_only(answer: bytes, random: random.Random) -> Said:
    return Said([answer.replace(b"\r\n", b"\n")], answer)


def many_lines(answer: bytes, random: random.Random) -> Said:
    return Said([answer[:3] + b"-first\r\n" + answer], answer)


def other_code(answer: bytes, random: random.Random) -> Said:
    other = random.choice(CODES) + answer[3:]
    return Said([other], other)


def no_code(answer: bytes, random: random.Random) -> Said:
    return Said([random.choice(NO_CODES) + answer[3:]], None)


def goodbye(answer: bytes, random: random.Random) -> Said:
    return Said([b"421 4.3.2 bye\r\n"], None, closes=random.random() < 0.5)


COUNTED: tuple[Way, ...] = (
    *(surplus, surplus, early, twice, missing, missing, unfinished, garbage, beside_garbage),
    *(half, closed_after, two_codes, endless, bare_cr, no_lf, no_code, goodbye),
)
HARMLESS: tuple[Way, ...] = (split, dripped, lf_only, many_lines, other_code)


class Faulty(Server):
    """Each answer of it may be another decision, and may go out in another way."""

    def __init__(self, random: random.Random) -> None:
        names = ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "SIZE 1000000", "SIZE")
        super().__init__(self.decide, tuple(name for name in names if random.random() < 0.7))
        self.RequestHandlerClass = FaultyHandler
        self.random = random
        self.refusals = random.choice([0, 0, 0.05, 0.2])
        self.rate = random.choice([0, 0.02, 0.1])
        self.log: list[str] = []
        self.accepted: set[str] = set()  # whose RCPT and message were both answered with 2yz

    def decide(self, verb: str, argument: str, connection: int) -> bytes | None:
        if verb in DECISIONS and self.random.random() < self.refusals:
            return self.random.choice(DECISIONS[verb])
        return None


class FaultyHandler(Handler):
    server: Faulty

    def setup(self) -> None:
        super().setup()
        self.about: tuple[str, str] = ("greeting", "")
        self.held: list[tuple[bytes, tuple[str, str], bytes | None]] = []
        self.named: set[str] = set()  # whose RCPT was, in this transaction
        random = self.server.random
        # The answer that is: of the whole dialogue, or of what comes from MAIL on.
        self.fault_at = random.choice([random.randrange(30), 3 + random.randrange(12)])
        self.number = 0

    def decide(self, verb: str, argument: str, default: bytes | None) -> bytes:
        self.about = verb, argument
        answer = super().decide(verb, argument, default)
        ends_the_count = answer.startswith(b"421") and self.number + 1 >= self.fault_at
        return b"451 4.3.0 later" if ends_the_count else answer

    def command(self, line: str) -> bool:
        verb, _, argument = line.partition(" ")
        self.about = verb.upper(), argument
        self.server.log.append(f"> {line[:60]}")
        return super().command(line)

    def say(self, text: bytes) -> bool:
        self.number += 1
        answer, random = text + b"\r\n", self.server.random
        said = Said([answer], answer)
        if self.number == self.fault_at:
            said = random.choice(COUNTED)(answer, random)
        elif random.random() < self.server.rate:
            said = random.choice(HARMLESS)(answer, random)
        follows = b"\n" in self.input and not said.closes  # else the client may wait for this one
        if follows and random.random() < self.server.rate / 2:
            self.held.append((b"".join(said.pieces), self.about, said.whole))
            return True
        held, self.held = self.held, []
        for _, about, whole in [*held, (b"", self.about, said.whole)]:
            self.note_answer(about, whole)
        self.send([*(pieces for pieces, *_ in held), *said.pieces])
        return not said.closes and not text.startswith(b"421")

    def note_answer(self, about: tuple[str, str], whole: bytes | None) -> None:
        verb, argument = about
        self.server.log.append(f"< {verb} {argument[:40]} {whole!r}")
        positive = whole is not None and whole.startswith(b"2")
        if verb == "RCPT" and positive:
            self.named.add(argument.partition(":<")[2].partition(">")[0])
        elif verb == "DOT" and positive:
            self.server.accepted |= self.named
        if verb in ("MAIL", "DOT", "RSET"):
            self.named.clear()

    def send(self, pieces: list[bytes]) -> None:
        for piece in filter(None, pieces):
            self.request.sendall(piece)
