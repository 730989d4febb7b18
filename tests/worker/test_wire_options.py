"""The options of the wire, from `send_messages()` to the relay."""

import json

import pytest
from django.core.files.storage import storages
from django.core.mail import EmailMessage
from django.test import override_settings

from mailqueue.broker.dead import peek
from mailqueue.broker.publish import publisher
from mailqueue.errors import EncodeError
from mailqueue.mail import mailers
from mailqueue.mail.exceptions import InvalidMailer
from tests.project_app import run_task
from tests.worker.project import next_task, project_settings, queued

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
NEWER = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="


@pytest.fixture
def mailer(celery_of_project, queue, sink):
    """Give a function that makes the default mailer, with options."""
    return lambda **options: project_settings(queue, sink.port, **options)


def large(number: int = 1, size: int = 300_000) -> list[EmailMessage]:
    content = b"x" * size
    messages = []
    for _ in range(number):
        message = EmailMessage("Invoice", "body", "a@x.test", ["b@x.test"])
        message.attach("invoice.pdf", content, "application/pdf")
        messages.append(message)
    return messages


def test_large_contents_are_stored_once_and_fetched_by_the_worker(mailer, sink, queue, tmp_path):
    store = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    with (
        override_settings(STORAGES={"mail": store}),
        mailer(attachments="mail", inline_limit=1000),
    ):
        mailers.default.send_messages(large(25))
        batches = [queued(queue) for _ in range(3)]
        assert max(map(len, batches)) < 30_000
        assert sum(1 for path in tmp_path.rglob("*") if path.is_file()) == 1
        for batch in batches:
            run_task(batch)
    assert len(sink.mails) == 25
    [part] = list(sink.mails[0].message.iter_attachments())
    assert part.get_content() == b"x" * 300_000


def test_a_content_that_is_gone_makes_a_dead_letter_not_half_a_mail(mailer, sink, queue, tmp_path):
    store = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    with override_settings(STORAGES={"mail": store}), mailer(attachments="mail", inline_limit=1000):
        mailers.default.send_messages(large())
        task = queued(queue)
        for path in tmp_path.rglob("*"):
            if path.is_file():
                storages["mail"].delete(str(path.relative_to(tmp_path)))
        run_task(task)
        [letter] = peek(publisher(), queue=queue)
    assert letter.reason == "undecodable: AttachmentMissing"
    assert sink.mails == []


def test_an_unknown_storage_is_told_at_once(mailer):
    with mailer(attachments="gone"), pytest.raises(InvalidMailer, match="'gone'"):
        _ = mailers.default


def test_large_mails_travel_in_small_tasks(mailer, queue):
    with mailer():
        mailers.default.send_messages(large(5))
        sizes = []
        while task := next_task(queue):
            [[argument], _, _] = task.payload
            sizes.append(len(json.loads(argument)))
    assert sizes == [2, 2, 1]


def test_a_message_that_is_too_large_is_refused_in_the_caller(mailer, queue):
    with mailer(max_message_bytes=100_000):
        with pytest.raises(EncodeError, match="100000 are allowed"):
            mailers.default.send_messages(large())
        assert next_task(queue) is None


def test_what_is_encrypted_shows_nothing_and_arrives_also_after_a_new_key(mailer, sink, queue):
    with mailer(encryption_keys=[KEY]):
        mailers.default.send_messages([EmailMessage("4711", "body", "a@x.test", ["b@x.test"])])
        task = queued(queue)
        assert json.loads(task)[0].startswith("1.aesgcm.")
    with mailer(encryption_keys=[NEWER, KEY]):
        run_task(task)
    assert [mail.message["Subject"] for mail in sink.mails] == ["4711"]


def test_without_its_key_an_encrypted_mail_is_kept_as_a_dead_letter(mailer, sink, queue):
    with mailer(encryption_keys=[KEY]):
        mailers.default.send_messages([EmailMessage("4711", "body", "a@x.test", ["b@x.test"])])
        task = queued(queue)
    with mailer(encryption_keys=[NEWER]):
        run_task(task)
        assert json.loads(task)[0] in [
            letter.content for letter in peek(publisher(), queue="mailqueue")
        ]
    assert sink.mails == []


@pytest.mark.parametrize("keys", [["short"], "one text", [7]])
def test_a_bad_key_is_told_at_once_and_not_shown(mailer, keys):
    with mailer(encryption_keys=keys), pytest.raises(InvalidMailer) as raised:
        _ = mailers.default
    assert "'encryption_keys'" in str(raised.value)
    assert "short" not in str(raised.value)


def test_named_attributes_travel(mailer, queue, sink):
    seen = []

    with mailer(extra_attributes=["tenant"]):
        message = EmailMessage("Hi", "body", "a@x.test", ["b@x.test"])
        message.tenant = "north"
        mailers.default.send_messages([message])
        from mailqueue.codec.decode import refuse
        from mailqueue.delivery.deliver import rebuild
        from mailqueue.wire.envelope import unpack
        from mailqueue.wire.signature import worker_keys

        for text in json.loads(queued(queue)):
            rebuilt = rebuild(unpack(text, worker_keys()), refuse, ["tenant"])
            seen.append(rebuilt.tenant)
    assert seen == ["north"]
