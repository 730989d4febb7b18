"""Mail and tasks that wait hold up nothing else, and come once."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kombu import Connection

from mailqueue.demo.sink import Sink
from mailqueue.scheduling import queue_options
from tests.chaos.conftest import only
from tests.chaos.mails import message, names
from tests.chaos.site import Site
from tests.waiting import until

ORDINARY = names(10)
WAITING = 30  # tasks with a countdown: more than a worker of two takes at once


def send_later(site: Site, seconds: float, *later: str) -> None:
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    site.send_messages([queue_options(message(name), send_at=when) for name in later])


@only("bare-rabbitmq", "ledger-rabbitmq")
def test_mail_for_later_blocks_no_worker(site: Site, sink: Sink) -> None:
    """It is sent by a web process; a worker of two has two of them, and ten that go at once."""
    site.lane(sink, batch_size=1)
    with site.running():
        before = site.delayed()
        worker = site.worker(processes=2)
        send_later(site, 6 * 3600, "a@example.test", "b@example.test")
        site.send(ORDINARY)
        until(lambda: sink.copies().keys() >= set(ORDINARY), 15)
        assert worker.status == "running"
        counts = site.end()
        waiting = site.table() + site.delayed() - before
    assert (counts.delivered, counts.most, counts.dead) == (10, 1, 0)
    assert waiting == 2
    assert counts.broker == 0


@only("bare-rabbitmq", "ledger-rabbitmq")
def test_countdown_tasks_of_the_project_block_nobody(
    site: Site, sink: Sink, tmp_path: Path
) -> None:
    """They are on a classic queue; mail is on its quorum queue, with a worker of its own."""
    site.lane(sink)
    notes = tmp_path / "notes"
    with site.running() as app:
        site.worker(processes=2, queues="own")
        site.worker(processes=2)
        for number in range(WAITING):
            arguments = [str(notes), f"late {number}"]
            app.send_task("project.note", arguments, queue="own", countdown=3600)
        app.send_task("project.note", [str(notes), "now"], queue="own")
        site.wait_for(site.send(ORDINARY), timeout=15)
        until(notes.exists, 15)
        until(lambda: not site.left(), 15)
        counts = site.end()
        remove(site, "own")
    assert notes.read_text() == "now\n"
    assert (counts.delivered, counts.most, counts.dead, counts.broker) == (10, 1, 0, 0)


def remove(site: Site, queue: str) -> None:
    with Connection(site.broker) as connection:
        connection.default_channel.queue_delete(queue)


@only("bare-redis", "ledger-redis")
def test_mail_for_later_than_the_visibility_timeout_comes_once(site: Site, sink: Sink) -> None:
    """Two workers, so that one could get what the other one holds."""
    site.visible_again_after(3)
    site.lane(sink)
    with site.running():
        for _ in range(2):
            site.worker()
        start = time.monotonic()
        send_later(site, 10, "a@example.test", "b@example.test")
        site.wait_for(["a@example.test", "b@example.test"])
        waited = time.monotonic() - start
        counts = site.end()
    assert waited > 9
    assert (counts.delivered, counts.most) == (2, 1)
    assert (counts.dead, counts.broker, counts.table) == (0, 0, 0)
