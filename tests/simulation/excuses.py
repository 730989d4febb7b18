"""What allows another copy of a mail, or doubt whether it arrived."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from mailqueue.delivery.claiming import PAUSES
from tests.letters import recipients_of
from tests.simulation.broker import Message
from tests.simulation.clock import Clock
from tests.simulation.plan import Plan
from tests.simulation.processes import LATE, Process
from tests.simulation.rows import Rows, opened
from tests.simulation.session import Copy, Session
from tests.simulation.windows import Window

NAMED = re.compile(r"^Message-ID: (\S+)", re.MULTILINE)
AT_ONCE = 0.05  # seconds: who asked whether a mail may go, and is not stopped, has begun it


class Excuses:
    """Who may get a second copy, and of which mails nobody knows whether they arrived."""

    def __init__(self, plan: Plan, clock: Clock, rows: Rows, tell: Callable[[str], None]) -> None:
        self.plan, self.clock, self.rows, self.tell = plan, clock, rows, tell
        self.windows: defaultdict[tuple[int, int], list[Window]] = defaultdict(list)
        # The claims, or copies, of each mail of which nobody may know what came of them.
        self.doubts: defaultdict[int, set[str]] = defaultdict(set)
        self.returned: Counter[int] = Counter()  # how often the broker gave a mail to others
        self.sent: set[str] = set()  # Message-IDs of which somebody was told that they are
        self.in_hand: defaultdict[str, list[Copy]] = defaultdict(list)
        self.late: dict[str, float] = {}  # since when a process goes on that was stopped
        self.last_error: dict[str, float] = {}  # of the database

    def begin(self, process: Process) -> None:
        """See a process begin a piece of work."""
        self.in_hand[process.name] = []
        self.late.pop(process.name, None)

    def took(self, copy: Copy) -> None:
        """See the mail server take a mail."""
        process = copy.process
        self.tell(f"{process.name}: the mail server takes mail {copy.mail} for {copy.to}")
        name = NAMED.search(copy.content)
        copy.message_id = name[1] if name else ""
        row = self.rows.row(copy.message_id)
        if row is not None:
            copy.fence, copy.until = row.fence, row.due_at
            if row.state == "sending":
                copy.claimed_at = row.due_at - self.plan.lease
        copy.true_at = self.clock.now
        self.in_hand[process.name].append(copy)
        late = self.late.get(process.name)
        stopped = late is not None and copy.begun <= late + AT_ONCE
        copy.stopped = stopped or process.was_set
        if stopped and self.plan.ledger:
            self.excuse(copy, Window.STOPPED)
        if process.strand.leaving:  # a courier whose task came to its limit
            self.excuse(copy, Window.LIMIT)

    def stopped(self, process: Process) -> None:
        """See a process go on that was stopped."""
        self.tell(f"{process.name} was stopped for {self.clock.now - process.ready_at:.0f} s")
        self.late[process.name] = self.clock.now
        for copy in self.in_hand[process.name]:
            if copy.until <= self.clock.now:
                self.excuse(copy, Window.STOPPED)
        self.doubt_all()

    def unanswered(self, copy: Copy, why: str) -> None:
        self.excuse(copy, Window.ANSWER, why)

    def overheard(self, mail: int, session: Session) -> None:
        """See a mail go over a connection that had ended."""
        self.doubts[mail].add(f"{id(session)}")

    def excuse(self, copy: Copy, window: Window, why: str = "") -> None:
        """Allow one more copy to those who got this one."""
        if not copy.excused:
            copy.excused = True
            self.tell(f"mail {copy.mail} may come again to {copy.to} ({why or window})")
            self.doubts[copy.mail].add(copy.fence or str(id(copy)))
            for each in copy.recipients:
                self.windows[copy.mail, each].append(window)

    def doubt_all(self) -> None:
        """Let nobody be sure of what is claimed now."""
        if self.plan.ledger:
            for mail, fence in self.rows.in_hand():
                self.doubts[mail].add(fence)

    def limited(self, body: bytes) -> None:
        """See a task with these mails come to its limit of time: some may have gone."""
        for envelope in opened(body):
            self.doubts[recipients_of(envelope)[0]].add(f"{self.clock.now}")

    def told_sent(self, message_id: str, **facts: Any) -> None:
        """Hear that a mail was sent."""
        self.sent.add(message_id)

    def came_back(self, message: Message, window: Window) -> None:
        """See the broker give a message to others."""
        if message.started:
            for mail in self.double(message.body, window):
                self.returned[mail] += 1

    def double(self, body: bytes, window: Window) -> list[int]:
        """Allow one more copy of what travels in a message of the broker; return the mails."""
        mails = []
        for envelope in opened(body):
            mail, recipients = recipients_of(envelope)
            mails.append(mail)
            self.tell(f"mail {mail} is with the broker twice ({window})")
            for each in recipients:
                self.windows[mail, each].append(window)
        return mails

    def is_settled(self, copy: Copy) -> bool:
        """Tell whether the ledger knows of a copy."""
        row = self.rows.row(copy.message_id)
        return row is None or row.fence != copy.fence or row.state not in ("sending", "queued")

    def is_others(self, copy: Copy) -> bool:
        """Tell whether somebody else has claimed the mail of a copy since."""
        row = self.rows.row(copy.message_id)
        return row is not None and row.fence != copy.fence

    def left(self, process: Process) -> None:
        """See a worker leave its task; what it could not note for a whole lease is in doubt."""
        failed_at = self.last_error.get(process.name, 0.0)
        if process.limited and self.plan.connections > 1:
            for copy in self.in_hand[process.name]:  # what couriers bring back nobody hears
                if copy.message_id not in self.sent:
                    self.excuse(copy, Window.LIMIT)
        for copy in self.in_hand[process.name] if self.plan.ledger else ():
            late = failed_at >= copy.until - PAUSES[-1] - LATE
            if late and (self.is_others(copy) or not self.is_settled(copy)):
                self.excuse(copy, Window.AWAY)

    def gone(self, process: Process) -> None:
        """See a process end: what it had in hand and not noted is in doubt."""
        for copy in self.in_hand[process.name] if self.plan.ledger else ():
            if not self.is_settled(copy):
                self.excuse(copy, Window.ENDED)
