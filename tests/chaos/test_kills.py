"""Kill workers again and again while mail is on its way: none is lost.

At the bare level on Redis it may fail once in a great while: docs/explanation/guarantees.md tells
of the gap.
"""

import random
import time

import psutil

from mailqueue.demo.sink import Sink
from tests.chaos.mails import names
from tests.chaos.site import LEASE, Site

ROUNDS = 5
MAILS = 100
BATCH = 10


def test_no_mail_is_lost_when_workers_are_killed(site: Site, sink: Sink) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    # One mail in hand, and it comes back soon.
    site.visible_again_after(5)
    site.lane(sink, batch_size=1, lease=LEASE)
    everybody = names(ROUNDS * MAILS)
    with site.running():
        for _ in range(2):
            site.worker()
        for start in range(0, len(everybody), MAILS):
            site.send(everybody[start : start + MAILS])
            time.sleep(chance.uniform(0, 1))  # anywhere in the middle
            victim = chance.choice(site.workers)
            victim.kill()
            victim.start()
        site.wait_for(everybody)
        counts = site.end()
    assert counts.delivered == counts.accepted == len(everybody)
    # A killed worker's mail may have gone out before the broker, or the table, knew.
    assert counts.second_copies <= ROUNDS
    assert counts.most <= (2 if site.database else 1 + ROUNDS)
    # At the second time that nobody knows, the ledger gives up; it has arrived all the same.
    assert counts.dead <= ROUNDS
    assert (counts.broker, counts.table) == (0, 0)


def test_no_mail_is_lost_that_was_gathered_when_a_process_is_killed(site: Site, sink: Sink) -> None:
    """Sent one by one they come to a worker faster than it delivers them."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    site.visible_again_after(60)
    site.lane(sink, batch_size=BATCH, lease=LEASE)
    site.celery["worker_prefetch_multiplier"] = 2 * BATCH
    everybody = names(ROUNDS * MAILS)
    with site.running():
        worker = site.worker()
        for start in range(0, len(everybody), MAILS):
            for name in everybody[start : start + MAILS]:
                site.send([name])
            time.sleep(chance.uniform(0, 0.3))  # anywhere in the middle
            for child in psutil.Process(worker.popen.pid).children():
                child.kill()
        site.wait_for(everybody)
        gathered = f"'{BATCH} sent'" in site.log()
        counts = site.end()
    assert counts.delivered == counts.accepted == len(everybody)
    assert counts.second_copies <= ROUNDS * BATCH
    assert (counts.broker, counts.table) == (0, 0)
    assert gathered or site.database
