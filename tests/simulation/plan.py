"""What a project has set, what it sends, and what goes wrong."""

import dataclasses
from collections.abc import Sequence
from typing import Any

ALIAS = "simulated"
MEMORY = "file:simulated?mode=memory&cache=shared"
MAILER = "default"
DEADLINE, FINAL_TIMEOUT, TIMEOUT = 30.0, 20.0, 10.0

# A target reports outcomes, or is Django's own backend, which only counts mails.
OURS = "tests.simulation.mail_server.Backend"
THEIRS = "tests.simulation.mail_server.DjangosBackend"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a project has set, and how wrong the clocks of its workers and its web process are."""

    ledger: bool = True
    rabbitmq: bool = False
    target: str = OURS
    batch_size: int = 10
    lease: float = 900.0
    schedule: tuple[float, ...] = (30.0, 120.0, 300.0)
    max_age: float = 3 * 86400.0
    ambiguous: str = "resend"
    extensions: str = "plain"
    fast: tuple[float, float, float] = (0.0, 0.0, 0.0)  # seconds
    speeds: tuple[float, float, float] = (1.0, 1.0, 1.0)  # seconds in a true one
    visibility: float = 1800.0
    pace: float = 0.01  # seconds to each answer of the mail server
    eager: bool = False  # task_always_eager
    connections: int = 1
    weave: int = 0  # in which order these go on
    keep_sent: float = 7 * 86400.0
    unknown_attempts: int = 4

    @property
    def reports(self) -> bool:
        """Whether the target tells what became of each recipient."""
        return self.target == OURS

    @property
    def longest_wait(self) -> float:
        """Return how long before its end a mail may die, as its next attempt would come after."""
        return 1.5 * max(*self.schedule, 600.0)

    def mailers(self) -> dict[str, Any]:
        retry = {"schedule": self.schedule, "max_age": self.max_age, "ambiguous": self.ambiguous}
        queue = {"using": "smtp", "batch_size": self.batch_size, "retry": retry}
        retry["unknown_attempts"] = self.unknown_attempts
        queue |= {"connections": self.connections, "keep_sent": self.keep_sent}
        queue |= {"ledger": "database" if self.ledger else None, "lease": self.lease}
        smtp = {"host": "127.0.0.1", "port": 25, "username": "u", "password": "p"}
        smtp |= {"timeout": TIMEOUT}
        if self.reports:
            smtp |= {"deadline": DEADLINE, "final_timeout": FINAL_TIMEOUT}
        return {
            MAILER: {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": queue},
            "smtp": {"BACKEND": self.target, "OPTIONS": smtp},
        }


@dataclasses.dataclass(frozen=True)
class Fate:
    """How a mail fares: each recipient at each RCPT, and its content at each attempt.

    A recipient: "ok", "later" (twice, then ok) or "never". The content: "ok", "later", "never",
    "lost" (taken, and the connection ends without an answer) or "silent" (taken, and no answer).
    ``odd`` attempts end with an error that nobody knows, with a target by somebody else.
    """

    recipients: tuple[str, ...] = ("ok",)
    contents: tuple[str, ...] = ()
    odd: int = 0


@dataclasses.dataclass
class Mail:
    """What was sent, and what the caller was told."""

    number: int
    fate: Fate
    send_at: float | None = None
    expires_at: float | None = None
    accepted_at: float | None = None
    told: str = "nothing"


@dataclasses.dataclass(frozen=True)
class Call:
    """Mails that are sent in one call, and the blocks of a transaction around it.

    From the outer to the inner one: "commits" or "rolls back"; "robust" commits, with a function
    of the project's on commit that raises.
    """

    numbers: Sequence[int]
    blocks: Sequence[str] = ()

    @property
    def is_undone(self) -> bool:
        return "rolls back" in self.blocks


@dataclasses.dataclass
class Fault:
    """What goes wrong at a step, when it comes for the nth time.

    "kill" and "end" a process; kill the "child" of a worker that goes on; come to a "limit" of
    time, a soft one; "lose" a connection to whoever is asked there; "abort" a transaction; "cut" a
    worker's connection to the broker while it goes on.
    """

    step: str
    nth: int
    what: str
