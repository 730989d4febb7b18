"""What attempts came to over time, and the plot of it."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.utils.timezone import get_current_timezone, now

from mailqueue.admin import traffic
from tests.admin.mails import attempt, keep
from tests.admin.test_detail import OVERVIEW

DATABASES = ["sqlite", "postgresql", "mariadb"]


@pytest.mark.parametrize(("span", "bars"), [("day", 24), ("week", 7), ("month", 31), ("x", 24)])
def test_the_plot_counts_what_attempts_came_to(visit, admin, span, bars):
    entry = keep()
    attempt(entry, recipients=5)
    attempt(entry, kind="transient", recipients=2)
    attempt(entry, kind="rate_limited")
    attempt(entry, kind="permanent")
    attempt(entry, timedelta(hours=1), recipients=4)
    attempt(entry, timedelta(days=40))
    response = visit("viewer").get(f"{OVERVIEW}?span={span}")
    plot = response.context["plot"]
    assert len(plot.bars) == bars
    assert sum(bar.sent for bar in plot.bars) == 9
    assert sum(bar.deferred for bar in plot.bars) == 3
    assert sum(bar.dead for bar in plot.bars) == 1
    assert plot.bars[-1].dead == 1
    text = response.content.decode()
    assert "<title id=" in text
    assert "<desc id=" in text
    assert "<script" not in text.partition('id="attempts"')[2].partition("</details>")[0]


def test_a_plot_of_too_many_attempts_says_from_when_on_it_counts(visit, admin, monkeypatch):
    monkeypatch.setattr(traffic, "MOST", 2)
    entry = keep()
    for minutes in (1, 2, 30, 40):
        attempt(entry, timedelta(minutes=minutes))
    response = visit("viewer").get(OVERVIEW)
    assert sum(bar.sent for bar in response.context["plot"].bars) == 2
    assert "There were more than can be counted" in response.content.decode()


def test_bars_are_as_high_as_their_numbers():
    starts = [datetime(2026, 1, day, tzinfo=get_current_timezone()) for day in (1, 2, 3)]
    bars = [
        traffic.Bar(starts[0], 50, 30, 20),
        traffic.Bar(starts[1]),
        traffic.Bar(starts[2], 0, 0, 0),
    ]
    plot = traffic.Plot(span=traffic.SPANS["week"], bars=bars, since=None)
    (_, first), (_, none), _ = plot.shapes()
    assert [(name, y, height) for name, _, y, height in first] == [
        ("sent", 50, 50),
        ("deferred", 20, 30),
        ("dead", 0, 20),
    ]
    assert {height for *_, height in none} == {0}


def test_one_dead_letter_among_many_mails_is_seen():
    bars = [traffic.Bar(now(), 100_000, 0, 1)]
    plot = traffic.Plot(span=traffic.SPANS["day"], bars=bars, since=None)
    [(_, rectangles)] = plot.shapes()
    assert {name: height for name, _, _, height in rectangles}["dead"] == 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "America/New_York"])
def test_hours_are_hours_and_days_begin_at_midnight(zone, settings):
    settings.TIME_ZONE = zone
    hours = traffic.SPANS["day"].starts()
    assert {later - earlier for earlier, later in pairwise(hours)} == {timedelta(hours=1)}
    days = traffic.SPANS["month"].starts()
    assert {(day.hour, day.minute) for day in days} == {(0, 0)}
    assert hours[-1] <= now()
    assert days[-1] <= now()


def test_without_time_zones_there_is_a_plot(settings):
    settings.USE_TZ = False
    assert len(traffic.SPANS["day"].starts()) == 24
    assert len(traffic.SPANS["week"].starts()) == 7
