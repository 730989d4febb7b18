"""From django-celery-email and its fork: what was queued before the switch arrives, once."""

from collections.abc import Callable

import pytest

from tests.guides.pages import block
from tests.moving.peers import Project
from tests.procnodes import free_port
from tests.waiting import until

GUIDE = "moving-from-django-celery-email"
SEND = """
from django.core.mail import send_mass_mail
send_mass_mail([(subject, "body", "shop@example.com", ["you@example.com"]) for subject in {!r}])
"""
OLD = [f"old {number}" for number in range(12)]  # more than a chunk
NEW = ["new 1", "new 2", "new 3"]
PEERS = [
    ("django-celery-email", "5.2", "# before\n"),
    ("django-celery-email-reboot", "5.2", "# before\n"),
    ("django-celery-email-reboot", "6.1", "# before\n"),
    ("django-celery-email-reboot", "6.1", "# before, with MAILERS"),
]


def after(django: str) -> list[str]:
    """Return the guide's settings after the switch."""
    shown = [block(GUIDE, "# after")]
    return shown + ([] if django == "6.1" else [block(GUIDE, "# Django 5.2 and 6.0")])


@pytest.mark.parametrize(("package", "django", "before"), PEERS)
def test_what_was_queued_arrives_once(
    project_with: Callable[[str, str], Project], package: str, django: str, before: str
) -> None:
    project = project_with(django, package)
    project.configure(block(GUIDE, before))
    project.run(SEND.format(OLD))
    project.configure(*after(django))
    project.run(SEND.format(NEW))
    project.arrive({*OLD, *NEW})
    gone = [text.replace('"djcelery_email", ', "") for text in after(django)]
    project.configure(*[text.replace("CELERY_EMAIL_BACKEND = ", "") for text in gone])
    project.run(SEND.format(["last"]))
    project.arrive({"last"})


@pytest.mark.parametrize(("package", "django", "before"), PEERS)
def test_what_waits_for_another_attempt_arrives_once(
    project_with: Callable[[str, str], Project], package: str, django: str, before: str
) -> None:
    project = project_with(django, package)
    soon = 'CELERY_EMAIL_TASK_CONFIG = {"default_retry_delay": 8}'
    project.configure(block(GUIDE, before), soon, port=free_port())
    project.run(SEND.format(["tried"]))
    with project.worker() as worker:
        until(lambda: b"retrying" in worker.logs())
    project.configure(*after(django))
    project.arrive({"tried"})


def test_a_worker_that_does_not_know_the_task_throws_it_away(
    project_with: Callable[[str, str], Project],
) -> None:
    """Why `djcelery_email` stays in INSTALLED_APPS for a while."""
    project = project_with("6.1", "django-celery-email-reboot")
    project.configure(block(GUIDE, "# before\n"))
    project.run(SEND.format(["lost"]))
    project.configure(block(GUIDE, "# after").replace('"djcelery_email", ', ""))
    with project.worker() as worker:
        until(lambda: b"Received unregistered task" in worker.logs())
    assert project.sink.mails == []
