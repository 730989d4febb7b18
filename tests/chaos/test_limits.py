"""A project's own limits of time end its own tasks, and no list of mails."""

from celery import Celery

from tests.chaos.mails import names
from tests.chaos.relays import Slow
from tests.chaos.site import Site
from tests.waiting import until

MAILS = 10
SECONDS = 0.8  # that the relay takes for each


def test_a_hard_limit_cuts_no_list_of_mails(site: Site) -> None:
    """Ten mails in one message, or one window, take 8 s; a hard limit is set of 3 s."""
    site.celery |= {"task_time_limit": 3, "task_soft_time_limit": 2}
    with Slow(SECONDS) as relay:
        site.lane(relay)
        with site.running() as app:
            site.worker(queues="mail,own")
            limit_is_in_force(site, app)
            site.wait_for(site.send(names(MAILS)))
            counts = site.end()
    assert "mailqueue.deliver" not in killed(site)
    assert (counts.delivered, counts.most, counts.copies) == (MAILS, 1, MAILS)
    assert (counts.dead, counts.broker, counts.table) == (0, 0, 0)


def limit_is_in_force(site: Site, app: Celery) -> None:
    """Let the same worker run a task of the project that takes longer than it may."""
    app.send_task("project.sleep", [60], queue="own")
    until(lambda: "SoftTimeLimitExceeded" in killed(site))


def killed(site: Site) -> str:
    """Return the lines of the log that tell of a limit."""
    return "\n".join(line for line in site.log().splitlines() if "TimeLimit" in line)
