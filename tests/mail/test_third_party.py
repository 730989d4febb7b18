"""Backends of others behind MAILERS: a few lines, written for older Djangos, and anymail."""

import pytest
from django.core.mail.backends.base import BaseEmailBackend as DjangoBase

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.mail import EmailMessage, InvalidMailer


class Minimal(BaseEmailBackend):
    """All that a backend needs."""

    def send_messages(self, messages):
        self.sent = list(messages)
        return len(self.sent)


class OnDjango(DjangoBase):
    """Derives from Django's class, and takes an option."""

    def __init__(self, *, colour, **kwargs):
        super().__init__(**kwargs)
        self.colour = colour

    def send_messages(self, messages):
        return len(list(messages))


class Deaf(DjangoBase):
    """Does not hand its alias on."""

    def __init__(self, **kwargs):
        super().__init__()

    def send_messages(self, messages):
        return 0


def test_send_messages_alone_is_enough(mailer):
    backend = mailer(f"{__name__}.Minimal")
    message = EmailMessage(to=["a@example.test"])
    with backend as opened:
        assert opened is backend
        assert opened.send_messages([message]) == 1
    assert backend.sent == [message]


def test_a_custom_backend_gets_the_strict_options(mailer):
    with pytest.raises(InvalidMailer, match="Unknown options 'colour'"):
        mailer(f"{__name__}.Minimal", colour=1)


def test_a_backend_without_send_messages_says_so(mailer):
    with pytest.raises(NotImplementedError):
        mailer("mailqueue.backends.base.BaseEmailBackend").send_messages([])


@pytest.mark.parametrize(("name", "options"), [("OnDjango", {"colour": "red"}), ("Deaf", {})])
def test_a_backend_on_djangos_class_knows_its_alias_on_each_django(mailer, name, options):
    assert mailer(f"{__name__}.{name}", **options).alias == "it"


def test_a_context_manager_closes_after_an_error(mailer):
    backend = mailer(f"{__name__}.Minimal")
    closed = []
    backend.close = lambda: closed.append(1)
    with pytest.raises(RuntimeError), backend:
        raise RuntimeError
    assert closed == [1]


def test_a_context_manager_closes_when_opening_fails(mailer):
    backend = mailer(f"{__name__}.Minimal")
    closed = []

    def fail():
        raise OSError

    backend.open, backend.close = fail, lambda: closed.append(1)
    with pytest.raises(OSError), backend:  # noqa: PT011
        pass
    assert closed == [1]


def test_anymail_takes_what_our_messages_carry(mailer):
    backend = mailer("anymail.backends.test.EmailBackend")
    message = EmailMessage("Subject", "Body", "from@example.test", ["to@example.test"])
    message.tags = ["welcome"]
    message.attach("a.txt", "text", "text/plain")
    with backend:
        assert backend.send_messages([message]) == 1
    params = message.anymail_test_params
    assert (params["subject"], params["tags"]) == ("Subject", ["welcome"])
    assert [str(to) for to in params["to"]] == ["to@example.test"]
    assert message.anymail_status.status == {"sent"}
