"""What attempts came to over time, for a plot; asked by the index on their time."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from django.db.models import Case, IntegerField, QuerySet, Sum, Value, When
from django.utils.timezone import get_current_timezone, is_aware, make_aware, now

from mailqueue.ledger.looking import entries
from mailqueue.ledger.models import Attempt
from mailqueue.outcome.outcome import Kind

MOST = 200_000  # attempts that one plot counts; of more the newest
LABELS = 4  # of times below a plot
HEIGHT = 100  # of a plot, in units of its own
SERIES = ("sent", "deferred", "dead")  # from the bottom
SERIES_OF: dict[str, str] = {Kind.SENT: "sent", Kind.PERMANENT: "dead"}  # all others: tried again


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """How long a plot looks back: so many hours, or so many days."""

    name: str
    title: str
    number: int
    hours: bool

    def starts(self) -> list[datetime]:
        """Return when the hours or days begin, in the zone of the viewer."""
        present = now()
        zone = get_current_timezone() if is_aware(present) else None
        local = present.astimezone(zone) if zone else present
        if self.hours:
            hour = local.replace(minute=0, second=0, microsecond=0)
            absolute = hour.astimezone(UTC) if zone else hour  # an hour is one when clocks change
            back = [absolute - timedelta(hours=each) for each in reversed(range(self.number))]
            return [each.astimezone(zone) if zone else each for each in back]
        days = [local.date() - timedelta(days=each) for each in reversed(range(self.number))]
        midnights = [datetime.combine(day, time.min) for day in days]
        return [make_aware(each, zone) if zone else each for each in midnights]


SPANS = {
    span.name: span
    for span in (
        Span(name="day", title="last 24 hours", number=24, hours=True),
        Span(name="week", title="last 7 days", number=7, hours=False),
        Span(name="month", title="last 31 days", number=31, hours=False),
    )
}


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """What the attempts of one hour or day came to, in recipients."""

    start: datetime
    sent: int = 0
    deferred: int = 0
    dead: int = 0

    @property
    def total(self) -> int:
        return self.sent + self.deferred + self.dead


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """Bars, the first of which begins at ``since`` if there were too many attempts to count."""

    span: Span
    bars: list[Bar]
    since: datetime | None

    @property
    def most(self) -> int:
        return max(bar.total for bar in self.bars)

    @property
    def width(self) -> int:
        return 10 * len(self.bars)

    @property
    def labelled(self) -> list[Bar]:
        """Return some bars, evenly spaced, the first and the last among them."""
        last = len(self.bars) - 1
        return [self.bars[round(each * last / (LABELS - 1))] for each in range(LABELS)]

    def shapes(self) -> list[tuple[Bar, list[tuple[str, int, int, int]]]]:
        """Return each bar with its rectangles: series, x, y and height."""
        scale = HEIGHT / max(self.most, 1)
        found = []
        for number, bar in enumerate(self.bars):
            rectangles = []
            below = 0
            for name in SERIES:
                top = below + getattr(bar, name)
                y, bottom = (HEIGHT - round(each * scale) for each in (top, below))
                # What is there is seen, however little.
                height = max(bottom - y, 1 if top > below else 0)
                rectangles.append((name, 10 * number + 1, bottom - height, height))
                below = top
            found.append((bar, rectangles))
        return found


def plot(span: Span) -> Plot:
    """Count what attempts came to in the hours or days of a span."""
    starts = span.starts()
    attempts = Attempt.objects.using(entries().db).filter(at__gte=starts[0])
    newest = attempts.order_by("-at").values_list("at", flat=True)
    since = next(iter(newest[MOST : MOST + 1]), None)
    found = [dict.fromkeys(SERIES, 0) for _ in starts]
    for number, kind, recipients in counted(attempts, starts, since):
        found[number][SERIES_OF.get(kind, "deferred")] += recipients
    bars = [Bar(start, **each) for start, each in zip(starts, found, strict=True)]
    return Plot(span=span, bars=bars, since=since)


def counted(
    attempts: QuerySet[Attempt], starts: Sequence[datetime], since: datetime | None
) -> list[tuple[int, str, int]]:
    """Return the number of the hour or day, the kind and how many recipients."""
    if since is not None:
        attempts = attempts.filter(at__gt=since)
    number = Case(
        *(When(at__lt=end, then=Value(index)) for index, end in enumerate(starts[1:])),
        default=Value(len(starts) - 1),
        output_field=IntegerField(),
    )
    grouped = attempts.order_by().annotate(bar=number).values("bar", "kind")
    return list(grouped.annotate(number=Sum("recipients")).values_list("bar", "kind", "number"))
