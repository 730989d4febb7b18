"""From django-post_office: its rows go the new way, once, and its templates may stay."""

from collections.abc import Callable

import pytest

from tests.guides.pages import block
from tests.moving.peers import Project
from tests.procnodes import free_port

GUIDE = "moving-from-django-post-office"
SEND = """
from django.core.mail import send_mail
for subject in {!r}:
    send_mail(subject, "body", "shop@example.com", ["you@example.com"])
"""
# One that waits for its time, and one with an attachment.
OWN = """
from datetime import timedelta
from django.utils.timezone import now
from post_office import mail
from django.core.files.base import ContentFile
to = {"recipients": ["you@example.com"], "sender": "shop@example.com", "message": "body"}
mail.send(subject="scheduled", scheduled_time=now() + timedelta(hours=1), priority="low", **to)
mail.send(subject="attached", attachments={"a.txt": ContentFile(b"text")}, priority="low", **to)
"""
DUE = """
from post_office.models import Email
from django.utils.timezone import now
Email.objects.update(scheduled_time=now())
"""
TEMPLATE = """
from post_office import mail
from post_office.models import EmailTemplate
EmailTemplate.objects.create(name="order", subject="Order {{ number }}", content="body")
mail.send("you@example.com", "shop@example.com", template="order", context={"number": 7})
"""
OLD = {f"old {number}" for number in range(12)}


def after(django: str, *, ledger: bool) -> list[str]:
    """Return the guide's settings after the switch."""
    shown = block(GUIDE, "# after")
    if not ledger:
        shown = shown.replace(', "mailqueue.ledger"', "")
    return [shown] + ([] if django == "6.1" else [block(GUIDE, "# Django 5.2 and 6.0")])


def left(project: Project) -> int:
    """Count what is queued in the old table, as the guide does."""
    *imports, count = block(GUIDE, "STATUS.requeued").replace("\n   ", "\n").strip().splitlines()
    return int(project.run("\n".join([*imports, f"print({count.strip()})"])))


@pytest.mark.parametrize("ledger", [True, False], ids=["ledger", "broker alone"])
@pytest.mark.parametrize("django", ["5.2", "6.1"])
def test_what_was_queued_arrives_once(
    project_with: Callable[[str, str], Project], django: str, ledger: bool
) -> None:
    project = project_with(django, "django-post_office")
    project.configure(block(GUIDE, "# before"))
    project.manage("migrate", "--verbosity", "0")
    project.run(SEND.format(sorted(OLD)))
    project.run(OWN)
    assert left(project) == len(OLD) + 2
    project.configure(*after(django, ledger=ledger))
    project.manage("migrate", "--verbosity", "0")
    project.run(SEND.format(["new"]))
    for _ in range(2):
        project.manage("send_queued_mail")
    project.arrive({*OLD, "attached", "new"})
    assert left(project) == 1
    project.run(DUE)
    project.manage("send_queued_mail")
    assert left(project) == 0
    project.run(TEMPLATE)
    project.arrive({"scheduled", "Order 7"})


def test_its_own_api_raises_no_error_of_ours(
    project_with: Callable[[str, str], Project],
) -> None:
    project = project_with("6.1", "django-post_office")
    project.broker = f"redis://127.0.0.1:{free_port()}/0"
    project.configure(*after("6.1", ledger=False))
    project.manage("migrate", "--verbosity", "0")
    project.run(TEMPLATE)
    told = "email = Email.objects.get(); print(email.status, email.logs.get().exception_type)"
    failed = project.run(f"from post_office.models import STATUS, Email; {told}")
    assert failed == "1 PublishError\n"
