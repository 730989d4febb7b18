"""The queueing backend: what it accepts, what it refuses, and when it publishes."""

import copy
import json

import pytest
from celery import Celery
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import transaction
from django.test import override_settings

from mailqueue.broker.publish import publisher, publisher_of
from mailqueue.broker.queues import mail_queue
from mailqueue.errors import EncodeError, PublishError
from mailqueue.mail import mailers
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import keys_from_settings

QUEUE = "mailqueue.backends.queue.EmailBackend"
SMTP = {
    "BACKEND": "mailqueue.backends.smtp.EmailBackend",
    "OPTIONS": {"host": "127.0.0.1", "timeout": 5},
}


def settings_with(**options):
    default = {"BACKEND": QUEUE, "OPTIONS": {"using": "smtp", "ledger": None} | options}
    return override_settings(MAILERS={"default": default, "smtp": SMTP})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"using": 7}, "'using' must be a mailer's alias, got 7"),
        ({"using": ""}, "'using' must be a mailer's alias, got ''"),
        ({"using": "gone"}, "got 'gone'"),
        ({"using": "default"}, "'default' -> 'default'"),
        ({"queue": ""}, "'queue'"),
        ({"priority": 10}, "'priority' must be None or a whole number from 0 to 9, got 10"),
        ({"priority": True}, "'priority'"),
        (
            {"on_commit": "yes"},
            "'on_commit' must be True, False or an alias in DATABASES",
        ),
        ({"batch_size": 0}, "'batch_size'"),
        ({"retry": {"schedule": []}}, "'retry.schedule' must be"),
        ({"retry": {"scedule": [1]}}, "got 'scedule'"),
        ({"hots": "x"}, "Unknown options 'hots'"),
    ],
)
def test_a_wrong_option_is_told_with_alias_expected_and_got(options, expected):
    with settings_with(**options), pytest.raises(InvalidMailer) as raised:
        _ = mailers.default
    assert "default" in str(raised.value)
    assert expected in str(raised.value)


def test_a_lane_is_made_once_for_as_long_as_settings_stay():
    with settings_with(retry={"schedule": [1]}):
        first = mailers.default.lane
        assert mailers.default.lane is first
        with override_settings(SECRET_KEY="another"):
            assert mailers.default.lane is not first
        second = mailers.default.lane
        settings.MAILERS["default"]["OPTIONS"]["retry"]["schedule"] = [2]
        third = mailers.default.lane
        assert (second.options.retry.schedule, third.options.retry.schedule) == ((1,), (2,))
        settings.MAILERS["smtp"] = {**SMTP, "BACKEND": "mailqueue.backends.locmem.EmailBackend"}
        assert (third.force_ascii, mailers.default.lane.force_ascii) == (False, None)
        del settings.MAILERS["smtp"]
        with pytest.raises(InvalidMailer):
            _ = mailers.default


def test_using_is_required():
    with (
        override_settings(MAILERS={"default": {"BACKEND": QUEUE}}),
        pytest.raises(InvalidMailer, match="'using' must be set"),
    ):
        _ = mailers.default


def test_a_longer_loop_is_found():
    entry = lambda using: {"BACKEND": QUEUE, "OPTIONS": {"using": using}}  # noqa: E731
    with (
        override_settings(MAILERS={"a": entry("b"), "b": entry("c"), "c": entry("a")}),
        pytest.raises(InvalidMailer, match="'a' -> 'b' -> 'c' -> 'a'"),
    ):
        mailers["a"]


def test_a_target_with_several_of_its_own_is_followed_too():
    several = {"BACKEND": "tests.mail.test_checks.Several", "OPTIONS": {"using": ["smtp", "gone"]}}
    queue = {"BACKEND": QUEUE, "OPTIONS": {"using": "either"}}
    with (
        override_settings(MAILERS={"default": queue, "either": several, "smtp": SMTP}),
        pytest.raises(InvalidMailer, match="got 'gone'"),
    ):
        _ = mailers.default


@pytest.fixture
def mailer(redis_url):
    """The default mailer, on a real Redis with a queue of its own."""
    from tests.services import queue_on

    app = Celery("project", broker=redis_url)
    app.set_current()
    with queue_on(redis_url) as queue, settings_with(queue=queue):
        yield mailers.default
    publisher_of(app).close()
    publisher_of.cache_clear()
    app.close()


def queued(mailer) -> list:
    """Take the tasks off the queue; return the envelopes of each."""
    batches = []
    with publisher().producer() as producer:
        queue = mail_queue(mailer.lane.options.queue, quorum=False)(producer.channel)
        while message := queue.get(no_ack=True):
            [[argument], _, _] = message.payload
            batches.append([unpack(text, keys_from_settings()) for text in json.loads(argument)])
    return batches


def message(**fields) -> EmailMessage:
    return EmailMessage("Hi", "body", "from@example.test", ["to@example.test"], **fields)


def test_no_messages_is_0(mailer):
    assert mailer.send_messages([]) == 0


def test_messages_without_recipients_are_not_queued(mailer):
    nobody = EmailMessage("Hi", "body", "from@example.test", [])
    assert mailer.send_messages([nobody, message()]) == 1
    assert [len(batch) for batch in queued(mailer)] == [1]


def test_the_callers_message_is_left_as_it_is(mailer):
    mine = EmailMultiAlternatives(
        "Hi", "body", "from@example.test", ["to@example.test"], headers={"X-A": "1"}
    )
    mine.attach_alternative("<p>body</p>", "text/html")
    mine.attach("a.txt", "text", "text/plain")
    before = copy.deepcopy(vars(mine))
    mailer.send_messages([mine])
    assert {name: vars(mine)[name] for name in before} == before
    assert vars(mine).keys() == before.keys() | {"mailqueue_id"}


@pytest.mark.parametrize(
    "bad",
    [
        {"subject": "one\r\nBcc: victim@example.test"},
        {"to": ["a@example.test\nBcc: victim@example.test"]},
        {"from_email": "a@example.test\r\nX: y"},
        {"headers": {"X-A": "one\ntwo"}},
        {"headers": {"X-A\r\nBcc": "victim@example.test"}},
        {"headers": {"X-A: y": "z"}},
    ],
)
def test_header_injection_is_an_error_in_the_caller_and_queues_nothing(mailer, bad):
    fields = {"subject": "Hi", "from_email": "from@example.test", "to": ["to@example.test"]} | bad
    with pytest.raises(ValueError, match=r"."):
        mailer.send_messages([message(), EmailMessage(body="body", **fields)])
    assert queued(mailer) == []


def test_what_cannot_be_carried_is_an_error_that_names_the_part(mailer):
    mine = message()
    mine.attachments.append(("a.bin", object(), "application/octet-stream"))
    with pytest.raises((EncodeError, TypeError, ValueError)):
        mailer.send_messages([message(), mine])
    assert queued(mailer) == []


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_mail_is_published_when_it_commits(mailer):
    with transaction.atomic():
        assert mailer.send_messages([message()]) == 1
        assert queued(mailer) == []
    assert [len(batch) for batch in queued(mailer)] == [1]


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_transaction_sends_no_mail(mailer):
    with transaction.atomic():
        mailer.send_messages([message()])
        transaction.set_rollback(True)
    assert queued(mailer) == []


@pytest.mark.django_db(transaction=True)
def test_on_commit_can_be_turned_off(mailer):
    with settings_with(queue=mailer.lane.options.queue, on_commit=False), transaction.atomic():
        mailers.default.send_messages([message()])
        assert [len(batch) for batch in queued(mailer)] == [1]


@pytest.fixture
def no_broker():
    app = Celery("project", broker="redis://:hush@127.0.0.1:1/0")
    app.set_current()
    with settings_with():
        yield
    publisher_of.cache_clear()
    app.close()


def test_a_broker_that_is_away_is_an_error_in_the_caller(no_broker):
    with pytest.raises(PublishError) as raised:
        mailers.default.send_messages([message()])
    assert raised.value.queued == 0
    assert "redis://:**@127.0.0.1:1/0" in str(raised.value)
    assert "hush" not in str(raised.value)
    assert "@x.test" not in str(raised.value)


def test_fail_silently_hides_a_broker_that_is_away_and_nothing_else(no_broker):
    with settings_with(fail_silently=True):
        assert mailers.default.send_messages([message()]) == 0
        with pytest.raises(ValueError, match=r"."):
            mailers.default.send_messages([message(headers={"X-A": "one\ntwo"})])


def test_open_close_and_the_context_manager_work(mailer):
    mailer.open()
    mailer.close()
    with mailer as same:
        assert same.send_messages([message()]) == 1


def test_each_message_gets_an_id_a_date_and_a_message_id_for_good(mailer):
    mailer.send_messages([message(), message()])
    [[one, other]] = queued(mailer)
    assert one.id != other.id
    names = [name for name, _ in one.message["headers"]]
    assert names[:2] == ["Date", "Message-ID"]
    assert (one.mailer, one.attempts, one.recipients) == ("default", 0, None)


@pytest.mark.parametrize("charset", ["no such", "latin-1"])
def test_a_default_charset_that_has_not_the_letters(settings, charset):
    settings.DEFAULT_CHARSET = charset
    message = EmailMessage("S", "€", "f@x.test", ["a@x.test"])
    with settings_with(), pytest.raises((LookupError, ValueError)):
        mailers.default.send_messages([message])
