"""Kill workers again and again while mail is on its way: none is lost.

On Redis it may fail once in a great while: see docs/explanation/guarantees.md for the gap.
"""

import random
import time

from pytest_celery import CeleryTestSetup

from mailqueue.demo.sink import Sink
from mailqueue.mail import EmailMessage, mailers

ROUNDS = 6
MAILS = 200


def test_no_mail_is_lost_when_workers_are_killed(celery_setup: CeleryTestSetup, sink: Sink) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    names = [f"to{number}@example.test" for number in range(ROUNDS * MAILS)]
    for start in range(0, len(names), MAILS):
        messages = [
            EmailMessage("Hello", "Text.", "from@example.test", [name])
            for name in names[start : start + MAILS]
        ]
        assert mailers.default.send_messages(messages) == MAILS
        time.sleep(chance.uniform(0, 2))
        victim = chance.choice(list(celery_setup.worker_cluster))
        victim.kill()
        victim.restart()

    sink.wait(lambda: sink.copies().keys() >= set(names), timeout=300)
    twice = sum(copies - 1 for copies in sink.copies().values())
    print(len(names), "mails,", twice, "second copies")
    # A killed worker's batch, here of one mail, may have gone out before it was acknowledged.
    assert twice <= ROUNDS
