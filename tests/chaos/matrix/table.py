"""The table of results: a row for each fault; ours, and the controls beside it."""

import datetime
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.page import markdown
from tests.chaos.matrix.cell import MAILS
from tests.chaos.matrix.columns import COLUMNS, applies
from tests.chaos.matrix.rows import ROWS, Row
from tests.chaos.matrix.runs import Result, Which
from tests.chaos.matrix.systems import BARE, mailqueue, plain, reboot

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/explanation/guarantees.md"
BEGIN = "<!-- made by `make chaos`, never by hand -->\n"
END = "<!-- end of what `make chaos` made -->\n"
HEADINGS = (
    *("alone, Redis", "alone, RabbitMQ", "ledger, Redis", "ledger, RabbitMQ"),
    *("task, Redis", "task, RabbitMQ", "reboot, Redis", "reboot, RabbitMQ"),
)


def cells_of(row: Row) -> list[Which | None]:
    """Return the cells of a row, in the order of `HEADINGS`; None where there is none."""
    ours = [Which(row, column, mailqueue(level)) for column, (level, _) in COLUMNS.items()]
    bare = [column for column, (level, _) in COLUMNS.items() if level == BARE]
    others = [Which(row, column, system) for system in (plain(), reboot()) for column in bare]
    return [each if applies(row, each.column) else None for each in (*ours, *others)]


def text_of(which: Which | None, results: Mapping[str, Result]) -> str:
    """Say what came of a cell in as few words as one reads in a table."""
    if which is None:
        return ""
    result = results[str(which)]
    words = []
    if result.lost:
        why = which.row.loses.get(which.column) if which.system.ours else None
        words.append(f"**{result.lost} lost**" + (f" ([why](#{why}))" if why else ""))
    if result.twice:
        explained = which.system.ours and not result.unexplained
        window = f" ({', '.join(sorted(result.windows))})" if explained else ""
        twice = f"{result.twice} twice{window}"
        words.append(twice if explained else f"**{twice}**")
    if result.faults:
        words.append("**red**")
    return ", ".join(words) or "ok"


def rows_of(results: Mapping[str, Result]) -> Iterator[tuple[str, ...]]:
    link = ""
    for row in ROWS:
        if row.link != link:
            link = row.link
            yield (f"*{link}*", *[""] * len(HEADINGS))
        yield (row.fault, *(text_of(which, results) for which in cells_of(row)))


def text(results: Mapping[str, Result]) -> str:
    """Return what stands between the markers."""
    times = max(result.runs for result in results.values())
    cells = f"{len(results)} cells of {MAILS} mails; runs of each: {times}."
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    versions = ", ".join(f"{each} {version(each)}" for each in ("Django", "celery", "kombu"))
    table = markdown(rows_of(results), ("fault", *HEADINGS))
    return f"{table}\n{cells} On {today}, with {versions}.\n"


def write(results: Mapping[str, Result]) -> None:
    """Write the table into the page, if there is a result for each of its cells."""
    wanted = {str(which) for row in ROWS for which in cells_of(row) if which}
    if wanted <= results.keys():
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{text(results)}\n{END}{after}")
