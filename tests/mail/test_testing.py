"""The queue in memory, as a project's tests use it."""

import pytest
from celery import current_app
from django.core import mail
from django.db import transaction

from mailqueue.mail import send_mail
from mailqueue.testing import queue_in_memory

TARGET = "mailqueue.backends.locmem.EmailBackend"


@pytest.fixture(autouse=True)
def _mailers(settings):
    settings.MAILERS = {
        "default": {
            "BACKEND": "mailqueue.backends.queue.EmailBackend",
            "OPTIONS": {"using": "target", "ledger": None},
        },
        "target": {"BACKEND": TARGET},
    }
    mail.outbox = []


def send(subject="S"):
    return send_mail(subject, "B", "f@example.test", ["a@example.test"])


@pytest.mark.django_db(transaction=True)
def test_both_ends():
    with queue_in_memory() as deliver:
        assert send() == 1
        assert mail.outbox == []
        assert deliver() == 1
        [message] = mail.outbox
        assert (message.subject, message.sent_using) == ("S", "target")
        assert message.message()["Message-ID"] == message.extra_headers["Message-ID"]
        assert deliver() == 0


@pytest.mark.django_db(transaction=True)
def test_on_commit():
    with queue_in_memory() as deliver:
        with transaction.atomic():
            send()
            assert deliver() == 0
        assert deliver() == 1


@pytest.mark.django_db
def test_on_commit_in_a_test_that_never_commits(django_capture_on_commit_callbacks):
    with queue_in_memory() as deliver:
        with django_capture_on_commit_callbacks(execute=True):
            send()
        assert deliver() == 1


@pytest.fixture
def _ledger(settings):
    del settings.MAILERS["default"]["OPTIONS"]["ledger"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_ledger")
def test_with_the_ledger():
    with queue_in_memory() as deliver:
        with transaction.atomic():
            send("one")
            send("two")
            assert deliver() == 0
        assert mail.outbox == []
        assert deliver() == 2  # rings; the first one delivers both
        assert sorted(message.subject for message in mail.outbox) == ["one", "two"]
        while deliver():  # a turn that was long rings for the next one
            pass
        assert len(mail.outbox) == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("_ledger")
def test_with_the_ledger_in_a_test_that_never_commits(django_capture_on_commit_callbacks):
    with queue_in_memory() as deliver:
        with django_capture_on_commit_callbacks(execute=True):
            for number in range(25):
                send(str(number))
        while deliver():
            pass
        assert len(mail.outbox) == 25


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_for_the_next_test():
    with queue_in_memory():
        send()
    with queue_in_memory() as deliver:
        assert deliver() == 0


@pytest.mark.django_db(transaction=True)
def test_what_is_to_be_tried_again_stays_queued(settings, monkeypatch):
    from mailqueue.errors import TransientDeliveryError

    def refuse(self, messages):
        raise TransientDeliveryError(code=451)

    with queue_in_memory() as deliver:
        send()
        monkeypatch.setattr(f"{TARGET}.send_messages", refuse)
        assert deliver() == 1
        assert deliver() == 1
        assert mail.outbox == []


@pytest.mark.django_db(transaction=True)
def test_dead_letters_are_gone_with_the_test(settings):
    from mailqueue.broker.dead import peek
    from mailqueue.broker.publish import publisher
    from mailqueue.errors import PermanentDeliveryError

    def refuse(self, messages):
        raise PermanentDeliveryError(code=550)

    with pytest.MonkeyPatch.context() as patch, queue_in_memory() as deliver:
        patch.setattr(f"{TARGET}.send_messages", refuse)
        send()
        deliver()
        assert len(list(peek(publisher(), queue="mailqueue"))) == 1
    with queue_in_memory():
        assert list(peek(publisher(), queue="mailqueue")) == []


def test_the_projects_celery_app_is_back_afterwards():
    before = current_app._get_current_object()
    with queue_in_memory():
        assert current_app._get_current_object() is not before
    assert current_app._get_current_object() is before
