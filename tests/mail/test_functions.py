"""send_mail and its siblings: what is sent, from whom, through which mailer."""

from email.headerregistry import Address

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy

from mailqueue import mail
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.mail import MailerDoesNotExist, mail_admins, mail_managers, send_mail, send_mass_mail

PEOPLE = {"ADMINS": mail_admins, "MANAGERS": mail_managers}


class Counting(BaseEmailBackend):
    """Counts its instances, openings and messages."""

    built = 0
    batches = []

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        type(self).built += 1

    def send_messages(self, messages):
        self.batches.append(len(messages))
        return len(messages)


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(Counting, "built", 0)
    monkeypatch.setattr(Counting, "batches", [])
    return {"BACKEND": f"{__name__}.Counting"}


def test_send_mail(outbox, settings):
    settings.DEFAULT_FROM_EMAIL = "site@example.test"
    assert send_mail("Subject", "Body", None, ["a@example.test", "b@example.test"]) == 1
    [sent] = outbox
    assert (sent.subject, sent.body) == ("Subject", "Body")
    assert sent.from_email == "site@example.test"
    assert sent.to == ["a@example.test", "b@example.test"]
    assert sent.sent_using == "default"
    assert sent.alternatives == []


def test_send_mail_with_html(outbox):
    send_mail("S", "text", "f@example.test", ["a@example.test"], html_message="<p>html</p>")
    assert outbox[0].message().get_content_type() == "multipart/alternative"
    assert outbox[0].alternatives == [("<p>html</p>", "text/html")]


def test_send_mail_using(outbox):
    send_mail("S", "B", None, ["a@example.test"], using="other")
    assert outbox[0].sent_using == "other"


def test_send_mail_using_what_is_not_there(outbox):
    with pytest.raises(MailerDoesNotExist):
        send_mail("S", "B", None, ["a@example.test"], using="gone")


def test_send_mail_to_nobody(outbox):
    assert send_mail("S", "B", None, []) == 0
    assert send_mail("S", "B", None, [], using="other") == 0
    assert outbox == []


def test_send_mail_takes_lazy_text_and_addresses(outbox):
    to = Address("Ann Ö", "ann", "example.test")
    send_mail(gettext_lazy("Subject"), gettext_lazy("Body"), None, [to])
    message = outbox[0].message()
    assert (message["Subject"], message.get_payload().strip()) == ("Subject", "Body")
    assert outbox[0].to == [to]


@pytest.mark.parametrize("using", [None, "other"])
def test_send_mass_mail_is_one_batch(settings, counting, using):
    settings.MAILERS = {"default": counting, "other": counting}
    data = [("S", "B", None, ["a@example.test"])] * 3
    assert send_mass_mail((each for each in data), using=using) == 3
    assert (Counting.built, Counting.batches) == (1, [3])


@pytest.mark.parametrize("setting", PEOPLE)
@pytest.mark.parametrize("form", [list, tuple])
def test_mail_to_people(outbox, settings, setting, form):
    settings.SERVER_EMAIL = "root@example.test"
    settings.EMAIL_SUBJECT_PREFIX = "[Site] "
    setattr(settings, setting, form(["a@example.test", gettext_lazy("b@example.test")]))
    PEOPLE[setting]("Subject", "Body", html_message="<p>", using="other")
    [sent] = outbox
    assert (sent.subject, sent.from_email) == ("[Site] Subject", "root@example.test")
    assert sent.to == ["a@example.test", "b@example.test"]
    assert sent.alternatives == [("<p>", "text/html")]
    assert sent.sent_using == "other"


@pytest.mark.parametrize("setting", PEOPLE)
@pytest.mark.filterwarnings("ignore:Using .name, address. pairs")  # Django 6.0 and later
def test_mail_to_people_given_as_pairs(outbox, settings, setting):
    setattr(settings, setting, [("Ann", "a@example.test"), ("Bob", "b@example.test")])
    PEOPLE[setting]("Subject", "Body")
    assert outbox[0].to == ["a@example.test", "b@example.test"]


@pytest.mark.parametrize("setting", PEOPLE)
@pytest.mark.parametrize("value", ["a@example.test", [7], [("a", "b", "c")], {"a@example.test"}])
def test_people_that_are_none(outbox, settings, setting, value):
    setattr(settings, setting, value)
    with pytest.raises(ImproperlyConfigured, match=f"The {setting} setting must be a list"):
        PEOPLE[setting]("Subject", "Body")


@pytest.mark.parametrize("setting", PEOPLE)
def test_mail_to_nobody_needs_no_mailer(settings, setting):
    settings.MAILERS = {}
    setattr(settings, setting, [])
    assert PEOPLE[setting]("Subject", "Body") is None


def test_the_outbox_is_djangos(outbox):
    from django.core import mail as django_mail

    assert mail.outbox is django_mail.outbox
    mail.outbox = ["x"]
    assert django_mail.outbox == ["x"]
    django_mail.outbox = []
    assert mail.outbox == []


@pytest.mark.parametrize("name", mail.__all__)
def test_what_is_exported_is_there(name):
    assert hasattr(mail, name)


def test_it_has_the_names_of_djangos_module():
    import django.core.mail as django_mail

    deprecated = {
        "BadHeaderError",
        "SafeMIMEText",
        "SafeMIMEMultipart",
        "forbid_multi_line_headers",
    }
    assert set(django_mail.__all__) - deprecated <= set(mail.__all__)


def test_what_is_not_there():
    with pytest.raises(AttributeError):
        _ = mail.gone
