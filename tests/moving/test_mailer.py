"""From django-mailer: its rows are queued anew, once."""

import textwrap
from collections.abc import Callable

import pytest

from tests.guides.pages import block
from tests.moving.peers import Project
from tests.procnodes import free_port

GUIDE = "moving-from-django-mailer"
SEND = """
from django.core.mail import EmailMultiAlternatives
for subject in {!r}:
    message = EmailMultiAlternatives(subject, "body", "shop@example.com", ["you@example.com"])
    message.attach_alternative("<p>body</p>", "text/html")
    message.attach("a.txt", "text", "text/plain")
    message.send()
"""
DEFER = """
from mailer.models import Message
Message.objects.last().defer()
"""
DAMAGE = """
from mailer.models import Message
Message.objects.create(message_data="nothing")
"""
COUNT = "from mailer.models import Message; print(Message.objects.count())"
MOVE = textwrap.dedent(block(GUIDE, "row.delete()"))
BARE = MOVE.replace("transaction.atomic()", "nullcontext()").replace(
    "from django.db import transaction", "from contextlib import nullcontext"
)
OLD = {f"old {number}" for number in range(12)}


def after(django: str, *, ledger: bool) -> list[str]:
    """Return the guide's settings after the switch."""
    shown = block(GUIDE, "# after")
    if not ledger:
        shown = shown.replace(', "mailqueue.ledger"', "")
    return [shown] + ([] if django == "6.1" else [block(GUIDE, "# Django 5.2 and 6.0")])


def move_that_stops_at(number: int) -> tuple[str, str]:
    """Return the guide's code, ended in the middle of a row, and after one."""
    lead = "        "
    delete = f"{lead}row.delete()"
    stop = f"{lead}if Message.objects.count() == {number}: raise SystemExit"
    return MOVE.replace(delete, f"{stop}\n{delete}"), BARE.replace(delete, f"{delete}\n{stop}")


@pytest.mark.parametrize("ledger", [True, False], ids=["ledger", "broker alone"])
@pytest.mark.parametrize("django", ["5.2", "6.1"])
def test_what_was_queued_arrives_once(
    project_with: Callable[[str, str], Project], django: str, ledger: bool
) -> None:
    project = project_with(django, "django-mailer")
    project.configure(block(GUIDE, "# before"))
    project.manage("migrate", "--verbosity", "0")
    project.run(SEND.format(sorted(OLD)))
    project.run(DEFER + DAMAGE)
    project.configure(*after(django, ledger=ledger))
    project.manage("migrate", "--verbosity", "0")
    project.run(SEND.format(["new"]))
    counts = []
    before, after_deletion = move_that_stops_at(5)
    for code in (before, MOVE, MOVE) if ledger else (after_deletion, BARE, BARE):
        project.run(code)
        counts.append(project.run(COUNT))
    assert counts == ["5\n", "1\n", "1\n"]  # one cannot be read
    project.arrive({*OLD, "new"})


def test_a_broker_that_is_away_costs_no_row(
    project_with: Callable[[str, str], Project],
) -> None:
    project = project_with("6.1", "django-mailer")
    project.configure(block(GUIDE, "# before"))
    project.manage("migrate", "--verbosity", "0")
    project.run(SEND.format(["old"]))
    broker, project.broker = project.broker, f"redis://127.0.0.1:{free_port()}/0"
    project.configure(*after("6.1", ledger=False))
    with pytest.raises(AssertionError, match="EMAIL_BACKEND"):
        project.manage("send_mail")
    with pytest.raises(AssertionError, match="PublishError"):
        project.run(BARE)
    assert project.run(COUNT) == "1\n"
    project.broker = broker
    project.configure(*after("6.1", ledger=False))
    project.run(BARE)
    project.arrive({"old"})
