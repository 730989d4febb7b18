"""Mail and the caller's transactions, on the ledger's database and on others."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.test import override_settings
from django.utils.log import AdminEmailHandler

from mailqueue import compat, signals
from mailqueue.broker import bell, ringer
from mailqueue.delivery.deliver import breakers
from mailqueue.errors import LedgerError, PublishError
from mailqueue.ledger.database import DatabaseLedger
from mailqueue.ledger.models import Entry, State
from mailqueue.log import BORN_OF_A_LOG, floods
from mailqueue.mail import mailers
from mailqueue.relay import relay
from tests.ledger.mails import make_due
from tests.ledger.projects import Project, message
from tests.project_app import run_task

SHOP = "default"  # a database beside the ledger's


@pytest.fixture(params=["database", None], ids=["ledger", "bare"])
def shop(request: Any, project: Project, django_db_blocker: Any) -> Iterator[Project]:
    """A project whose own tables are on another database than the ledger's."""
    with project.using(ledger=request.param):
        yield project


def accepted(project: Project) -> int:
    """Count what is queued, at either level."""
    return Entry.objects.count() + sum("1.json." in text for text in project.take())


def blocks(*aliases: str) -> Any:
    """Open blocks, one inside the other."""
    stack = ExitStack()
    for alias in aliases:
        stack.enter_context(transaction.atomic(using=alias))
    return stack


def test_a_block_on_another_database_is_waited_for(shop):
    with blocks(SHOP):
        assert shop.send() == 1
        assert accepted(shop) == 0
    assert accepted(shop) == 1


def test_a_block_on_another_database_that_rolls_back_takes_the_mail_along(shop):
    with blocks(SHOP):
        assert shop.send() == 1
        transaction.set_rollback(True, using=SHOP)
    assert accepted(shop) == 0


@pytest.mark.parametrize("outer", [0, 1])
@pytest.mark.parametrize("broken", [None, 0, 1])
def test_of_two_blocks_both_must_commit(shop, outer, broken):
    aliases = [SHOP, Entry.objects.db]
    first, second = aliases[outer], aliases[1 - outer]
    with transaction.atomic(using=first):
        with transaction.atomic(using=second):
            shop.send()
            if broken == 1:
                transaction.set_rollback(True, using=second)
        if broken == 0:
            transaction.set_rollback(True, using=first)
    assert accepted(shop) == (1 if broken is None else 0)


def test_on_commit_names_the_database_that_counts(shop):
    with override_settings(MAILERS=with_option(on_commit=Entry.objects.db)), blocks(SHOP):
        shop.send()
        assert accepted(shop) == 1


def test_on_commit_false_is_at_once(shop):
    with override_settings(MAILERS=with_option(on_commit=False)), blocks(SHOP):
        shop.send()
        assert accepted(shop) == 1


def with_option(**options: Any) -> dict[str, Any]:
    found = deepcopy(settings.MAILERS)
    found["default"]["OPTIONS"] |= options
    return found


def test_a_savepoint_that_is_rolled_back_takes_its_mail_along(shop):
    alias = Entry.objects.db
    with transaction.atomic(using=alias):
        shop.send(message("kept@example.test"))
        with transaction.atomic(using=alias):
            shop.send(message("gone@example.test"))
            transaction.set_rollback(True, using=alias)
    assert accepted(shop) == 1


def test_a_mail_of_a_broken_block_is_no_error_of_its_own(shop):
    """`logger.error()` in an except clause of a broken block must not raise."""
    alias = Entry.objects.db
    with transaction.atomic(using=alias):
        transaction.set_rollback(True, using=alias)
        assert shop.send() == 1
    assert accepted(shop) == 0


@pytest.mark.parametrize(
    "errors",
    [
        (DatabaseError("secret-address@example.test"), PublishError("The broker did not take it.")),
        (SoftTimeLimitExceeded(), SoftTimeLimitExceeded()),
    ],
    ids=["away", "time limit"],
)
def test_no_callback_of_ours_stops_the_projects(shop, monkeypatch, caplog, errors):
    """And what is lost there is told, be it for a time limit of the caller's own task."""

    def fails(*args: Any, **kwargs: Any) -> None:
        raise errors[0]

    def unsent(*args: Any, **kwargs: Any) -> None:
        raise errors[1]

    ran = []
    dead = []
    receive = lambda **facts: dead.append(facts["reason"])  # noqa: E731
    signals.dead.connect(receive)
    monkeypatch.setattr(DatabaseLedger, "record", fails)
    monkeypatch.setattr("mailqueue.broker.publish.Publisher.task", unsent)
    try:
        with transaction.atomic(using=SHOP):
            shop.send()
            transaction.on_commit(lambda: ran.append(True), using=SHOP)
    finally:
        signals.dead.disconnect(receive)
    assert ran == [True]
    assert len(dead) == 1
    assert "the transaction committed" in dead[0]
    assert "secret-address" not in caplog.text


def unpublished(*args: Any, **kwargs: Any) -> None:
    raise PublishError("The broker did not take it.")


def test_without_autocommit_mail_is_part_of_what_is_committed_by_hand(project):
    alias = Entry.objects.db
    connection = connections[alias]
    connection.set_autocommit(False)
    try:
        assert project.send() == 1
        connection.rollback()
        assert Entry.objects.count() == 0
        assert project.send() == 1
        connection.commit()
    finally:
        connection.set_autocommit(True)
    project.work()
    assert set(Entry.objects.values_list("state", flat=True)) == {State.SENT}


def test_dead_letters_are_kept_as_long_as_the_mailer_says(project):
    project.sink.answer("RCPT", "550 5.1.1 unknown", times=9)
    project.send()
    project.work()
    assert Entry.objects.get().purge_at is None
    with project.using(keep_dead=3600):
        project.send()
        project.work()
    kept = Entry.objects.exclude(purge_at=None).get()
    assert 3500 < (kept.purge_at - kept.finished_at).total_seconds() <= 3601
    assert project_ledger().requeue([kept.pk]) == 1
    assert Entry.objects.get(pk=kept.pk).purge_at is None


def project_ledger() -> DatabaseLedger:
    ledger = mailers.default.lane.ledger
    assert ledger is not None
    return ledger


@pytest.fixture(params=["mailqueue", ""], ids=["our logger", "root"])
def mailed_log(request: Any, settings: Any) -> Iterator[None]:
    """Mail what is logged to the admins, through the queue, as projects do."""
    floods.flush()
    admin = "admin@example.test"
    settings.ADMINS = [("Admin", admin)] if compat.ADMINS_ARE_PAIRS else [admin]
    if not compat.HAS_MAILERS:
        settings.EMAIL_BACKEND = compat.BRIDGE
    handler = AdminEmailHandler(reporter_class="django.views.debug.ExceptionReporter")
    handler.setLevel(logging.WARNING)
    log = logging.getLogger(request.param)
    log.addHandler(handler)
    yield
    log.removeHandler(handler)


def test_mail_that_tells_of_a_dead_letter_begets_no_other(project, mailed_log):
    """Each dead letter would be a line, each line a mail, and each mail a dead letter."""
    project.sink.answer("RCPT", "550 5.1.1 unknown", times=99)
    project.send()
    for _ in range(5):
        project.work()
        make_due()
        relay()
    states = sorted(Entry.objects.values_list("state", flat=True))
    assert states == [State.DEAD, State.DEAD]
    assert Entry.objects.filter(pk__startswith=BORN_OF_A_LOG).count() == 1


def test_a_broker_that_is_away_begets_no_endless_mail(project, mailed_log, monkeypatch):
    monkeypatch.setattr("mailqueue.broker.publish.Publisher.task", unpublished)
    bell.forget()
    project.send()
    ringer.flush()
    assert Entry.objects.count() <= 2
    bell.forget()


def test_a_ledger_that_is_away_is_an_error_of_the_log_alone(project, monkeypatch):
    def away(*args: Any, **kwargs: Any) -> None:
        raise LedgerError("OperationalError")

    monkeypatch.setattr("mailqueue.tasks.run.work", away)
    project.send()
    for ring in project.take():
        run_task(ring)
    assert breakers == {}
