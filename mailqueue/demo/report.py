"""What the demo shows: a bar while mails arrive, then what became of each."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mailqueue.demo.mails import Sent

SHOWN = 10  # faults; the first ones tell enough


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What was sent, what each recipient got, and which of them are dead letters, why."""

    sent: Sent
    copies: Mapping[str, int]
    attempts: Mapping[str, int]
    dead: Mapping[str, str]
    seconds: float

    @property
    def settled(self) -> int:
        """Count the recipients that have their mail or are dead letters."""
        return len((self.copies.keys() | self.dead.keys()) & self.sent.recipients)

    @property
    def faults(self) -> list[str]:
        """Name every recipient whose mail is neither received exactly once nor a dead letter."""
        expected = {name: 0 if name in self.dead else 1 for name in self.sent.recipients}
        got = Counter(dict(self.copies))
        return [
            f"{name}: {got[name]} copies, {expected.get(name, 0)} expected"
            for name in sorted(expected.keys() | got.keys())
            if got[name] != expected.get(name, 0)
        ]


def show(result: Result, console: Console, mailbox: Path) -> None:
    """Print the table."""
    sent, delivered = result.sent, sum(result.copies.values())
    retried = sorted(name for name, number in result.attempts.items() if number > 1)
    table = Table(title="mailqueue demo", show_header=False)
    table.add_row("queued", f"{sent.mails} mails to {len(sent.recipients)} recipients")
    table.add_row("delivered", f"{delivered} copies")
    table.add_row("retried", ", ".join(retried) or "none")
    for name, reason in sorted(result.dead.items()):
        table.add_row("dead letter", f"{name}: {reason}")
    table.add_row("mails per second", f"{delivered / max(result.seconds, 0.001):.0f}")
    blocked = f"{sent.seconds:.2f} s, {1000 * sent.seconds / sent.mails:.2f} ms a mail"
    table.add_row("sender blocked", blocked)
    table.add_row("received mails", f"{mailbox}/*.eml")
    console.print(table)
    for fault in result.faults[:SHOWN]:
        console.print(f"[red]{fault}[/red]")
    console.print(
        f"[red]Not every mail arrived exactly once: {len(result.faults)} did not.[/red]"
        if result.faults
        else "[green]Every accepted mail arrived exactly once or is a dead letter.[/green]"
    )
