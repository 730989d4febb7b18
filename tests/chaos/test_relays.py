"""Relays that are slow, silent or away hold up nobody else's mail, and double next to none."""

import time
from collections.abc import Callable

from mailqueue.demo.sink import Sink
from tests.chaos.mails import names
from tests.chaos.relays import Dripping, Mute
from tests.chaos.site import Site
from tests.procnodes import free_port
from tests.waiting import until

GOOD = names(40, "good")
BAD = names(5, "bad")
SOON = 15.0  # seconds in which the good lane's mail arrives while the other lane hangs
DEADLINE = 4.0  # seconds that a mail may take up to its final dot


def good_mail_passes(site: Site, good: Sink, trouble: Callable[[], bool]) -> None:
    """Send the bad lane's mail; once its relay has it in hand, send the good lane's."""
    site.send(BAD, "bad")
    until(trouble, 20)
    start = time.monotonic()
    site.send(GOOD[:20])
    until(lambda: good.copies().keys() >= set(GOOD[:20]), SOON)
    site.send(GOOD[20:])
    until(lambda: good.copies().keys() >= set(GOOD), SOON)
    print(f"\n    good mail: {time.monotonic() - start:.2f} s")


def pauses(site: Site) -> int:
    return site.log().count("Mailer 'bad-smtp' pauses")


def test_a_relay_that_takes_mail_and_never_says_so(site: Site, sink: Sink) -> None:
    with Mute(*BAD[:3]) as mute:
        site.lane(sink)
        site.lane(mute, "bad", smtp={"timeout": 3, "final_timeout": 3})
        with site.running():
            site.worker(processes=2)
            good_mail_passes(site, sink, lambda: mute.attempts.total() > 0)
            # The second copies too: RabbitMQ does not tell what it delays or a worker has in hand.
            until(lambda: site.counts().second_copies == 3, 120)
            site.wait_for(GOOD + BAD)
            counts = site.end()
    assert counts.delivered == counts.accepted == len(GOOD + BAD)
    # Those three whose answers were lost went once more; nobody else's did.
    assert counts.second_copies == 3
    assert counts.most == 2
    assert max(sink.copies().values()) == 1
    assert (counts.dead, counts.broker, counts.table) == (0, 0, 0)


def test_a_relay_that_is_away_pauses_its_lane(site: Site, sink: Sink) -> None:
    port = free_port()
    site.lane(sink)
    site.lane(port, "bad")
    with site.running():
        site.worker(processes=2)
        good_mail_passes(site, sink, lambda: pauses(site) > 0)
        late = Sink()
        late.port = port
        with late:
            site.relays["bad"] = late
            site.wait_for(GOOD + BAD)
            counts = site.end()
    # Each of the two processes learns for itself, and may probe once more before it is back.
    assert 1 <= pauses(site) <= 4
    assert counts.delivered == counts.accepted == len(GOOD + BAD)
    assert counts.most == 1
    assert (counts.dead, counts.broker, counts.table) == (0, 0, 0)


def test_a_relay_of_one_byte_a_second_is_left_and_pauses_its_lane(site: Site, sink: Sink) -> None:
    """A worker of one process, which is as good as dead as long as it listens to that relay."""
    with Dripping() as relay:
        site.lane(sink)
        site.lane(relay.port, "bad", smtp={"timeout": 3, "deadline": DEADLINE})
        with site.running():
            before = site.delayed()
            worker = site.worker()
            good_mail_passes(site, sink, lambda: relay.connections > 0)
            until(lambda: pauses(site) > 0, 20)
            # Its lane pauses: it is not asked again for each mail.
            asked = relay.connections
            site.send(names(5, "more"), "bad")
            site.wait_for(site.send(names(5, "also")), timeout=SOON, idle=False)
            assert relay.connections == asked == 1
            assert worker.status == "running"
            counts = site.end()
            waiting = counts.broker + counts.table + site.delayed() - before
    assert (counts.delivered, counts.most, counts.dead) == (len(GOOD) + 5, 1, 0)
    assert waiting == counts.accepted - counts.delivered
