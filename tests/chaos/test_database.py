"""A database that goes away, breaks off or is silent: every mail goes out, once."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from mailqueue.demo.sink import Mail, Sink
from mailqueue.ledger.models import Entry, State
from mailqueue.scheduling import queue_options
from tests.chaos.conftest import only
from tests.chaos.mails import message, names
from tests.chaos.site import Site
from tests.proxy import BlackHole, CutOn, Proxy, Refuse, proxy

AWAY = 25.0
EVERYBODY = names(40)
CLAIM = b"SKIP LOCKED"
TABLE = b"mailqueue_ledger_entry"


@pytest.fixture
def way(site: Site):
    """Put a proxy between the site's workers and its database."""
    with proxy(int(connections.settings[site.database]["PORT"])) as way:
        site.database_port = way.port
        yield way


def stay_away(way: Proxy) -> None:
    """Wait until it fell; then let it be away for its time, which is what is tested."""
    assert way.acted.wait(60)
    way.acted.clear()
    time.sleep(AWAY)
    way.heal()


@only("ledger-redis", "ledger-rabbitmq")
def test_a_database_that_is_away_delays_mail_and_doubles_none(
    site: Site, sink: Sink, way: Proxy
) -> None:
    """Twice: just after the relay took a mail, and in the middle of a claim."""

    def fall_after_the_fifth(mail: Mail) -> None:
        if len(sink.mails) == 4:
            way.become(Refuse())
            way.acted.set()

    sink.keep = fall_after_the_fifth
    site.lane(sink)
    with site.running():
        worker = site.worker()
        site.send(EVERYBODY)
        stay_away(way)
        assert len(sink.mails) <= 10  # the window that was in hand, and no other
        way.become(CutOn(CLAIM, forward=True, then=Refuse()))
        stay_away(way)
        site.wait_for(EVERYBODY)
        site.wait_for(site.send(names(5, "more")))
        for_the_timer(site)
        assert worker.status == "running"
        counts = site.end()
    assert counts.delivered == counts.accepted == len(EVERYBODY) + 6
    assert counts.most == 1
    assert (counts.dead, counts.broker, counts.table) == (0, 0, 0)
    assert Entry.objects.filter(state=State.SENT).count() == counts.accepted


def for_the_timer(site: Site) -> None:
    """Let a mail fall due that nobody rings for: the timer, too, goes on."""
    name = "later@example.test"
    when = datetime.now(UTC) + timedelta(seconds=2)
    site.wait_for(site.send_messages([queue_options(message(name), send_at=when)]))


@only("ledger-redis")
@pytest.mark.parametrize("app", ["tests.chaos.app", "mailqueue.worker"])
def test_an_idle_worker_ends_while_the_database_is_silent(
    site: Site, sink: Sink, way: Proxy, app: str
) -> None:
    site.lane(sink)
    with site.running():
        worker = site.worker(app=app)
        site.wait_for(site.send(names(1)))
        way.become(CutOn(TABLE, forward=True, then=BlackHole()))  # its timer asks: no answer
        assert way.acted.wait(30)
        start = time.monotonic()
        worker.kill("SIGTERM")
        worker.popen.wait(20)
        seconds = time.monotonic() - start
        print(f"\n    ended after {seconds:.1f} s")
        way.heal()
        counts = site.end()
    assert counts.delivered == 1
