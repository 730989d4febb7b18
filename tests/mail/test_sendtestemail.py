"""manage.py sendtestemail --using, on each Django."""

import pytest
from django.core.management import CommandError, call_command, get_commands


def test_it_is_ours():
    assert get_commands()["sendtestemail"] == "mailqueue"


def test_the_default_mailer(outbox):
    call_command("sendtestemail", "a@example.test", "b@example.test")
    [sent] = outbox
    assert sent.to == ["a@example.test", "b@example.test"]
    assert sent.subject.startswith("Test email from ")
    assert sent.sent_using == "default"


def test_another_mailer_for_all(outbox, settings):
    settings.ADMINS = settings.MANAGERS = ["boss@example.test"]
    settings.EMAIL_SUBJECT_PREFIX = "[Site] "
    call_command("sendtestemail", "a@example.test", "--managers", "--admins", "--using", "other")
    assert [sent.sent_using for sent in outbox] == ["other"] * 3
    assert [sent.to for sent in outbox] == [
        ["a@example.test"],
        ["boss@example.test"],
        ["boss@example.test"],
    ]


def test_nobody():
    with pytest.raises(CommandError, match="You must specify some email recipients"):
        call_command("sendtestemail")
