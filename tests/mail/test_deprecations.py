"""Who is warned about what Django 6.1 deprecates, and which mixtures are refused."""

import warnings
from email.mime.image import MIMEImage

import pytest

from mailqueue import compat, mail
from mailqueue.backends import locmem, smtp
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.mail import (
    EmailMessage,
    EmailMultiAlternatives,
    get_connection,
    mail_admins,
    mail_managers,
    mailers,
    send_mail,
    send_mass_mail,
)

ARGS = ("S", "B", "from@example.test", ["to@example.test"])
MASS = ([ARGS],)
ONE = ("S", "B")
FUNCTIONS = [
    (send_mail, ARGS),
    (send_mass_mail, MASS),
    (mail_admins, ONE),
    (mail_managers, ONE),
]
WITH_LOGIN = FUNCTIONS[:2]


class Taking(BaseEmailBackend):
    """Takes what a legacy call may bring along."""

    def __init__(self, *, username=None, password=None, fail_silently=False, **kwargs):
        super().__init__(**kwargs)
        self.login = (username, password)
        self.fail_silently = fail_silently

    def send_messages(self, messages):
        mail.outbox.extend(messages)
        self.last = self
        Taking.used = self
        return len(messages)


@pytest.fixture(autouse=True)
def _mailers(outbox, settings):
    settings.MAILERS = {**settings.MAILERS, "default": {"BACKEND": f"{__name__}.Taking"}}
    settings.ADMINS = settings.MANAGERS = ["boss@example.test"]


def recorded(call):
    """Call, and return the warnings as (text, file)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [(str(each.message), each.filename) for each in caught]


@pytest.mark.parametrize(("function", "args"), FUNCTIONS)
def test_what_is_not_deprecated_does_not_warn(function, args):
    assert recorded(lambda: function(*args)) == []
    assert recorded(lambda: function(*args, using="other")) == []


@pytest.mark.parametrize(("function", "args"), FUNCTIONS)
def test_fail_silently(function, args):
    [(text, file)] = recorded(lambda: function(*args, fail_silently=True))
    assert text.startswith("The 'fail_silently' argument is deprecated.")
    assert file == __file__
    assert Taking.used.fail_silently is True


@pytest.mark.parametrize(("function", "args"), FUNCTIONS)
def test_connection(function, args):
    connection = mailers["other"]
    [(text, file)] = recorded(lambda: function(*args, connection=connection))
    assert text.startswith("The 'connection' argument is deprecated.")
    assert file == __file__
    assert mail.outbox[0].sent_using == "other"


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_messages_carry_the_connection_given_and_no_other():
    connection = mailers.default
    for function, args in FUNCTIONS:
        function(*args, connection=connection)
    for function, args in FUNCTIONS:
        function(*args)
    carried = [message.connection for message in mail.outbox]
    assert carried == [connection] * 4 + [None] * 4


@pytest.mark.parametrize(("function", "args"), WITH_LOGIN)
def test_login(function, args):
    [(text, file)] = recorded(lambda: function(*args, auth_user="me", auth_password="secret"))
    assert text.startswith("The 'auth_user' and 'auth_password' arguments are deprecated.")
    assert file == __file__
    assert Taking.used.login == ("me", "secret")


@pytest.mark.parametrize(("function", "args"), FUNCTIONS)
@pytest.mark.parametrize("given", ["connection", "fail_silently", "auth_user", "auth_password"])
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_using_goes_with_none_of_them(function, args, given):
    if given.startswith("auth") and (function, args) not in WITH_LOGIN:
        pytest.skip("has no login")
    value = mailers["other"] if given == "connection" else "x"
    with pytest.raises(TypeError, match="not compatible with 'using'"):
        function(*args, using="other", **{given: value})
    assert mail.outbox == []


@pytest.mark.parametrize(("function", "args"), FUNCTIONS)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_connection_goes_with_no_fail_silently(function, args):
    with pytest.raises(TypeError, match="fail_silently cannot be used with a connection"):
        function(*args, connection=mailers["other"], fail_silently=True)


@pytest.mark.parametrize(("function", "args"), WITH_LOGIN)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_connection_goes_with_no_login(function, args):
    with pytest.raises(TypeError, match="auth_user and auth_password cannot be used"):
        function(*args, connection=mailers["other"], auth_user="me")


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: send_mail(*ARGS, False), "'fail_silently' to send_mail()"),
        (
            lambda: send_mail(*ARGS, False, None, None, None, "<p>"),
            "'fail_silently', 'auth_user', 'auth_password', 'connection', 'html_message' "
            "to send_mail()",
        ),
        (lambda: send_mass_mail(*MASS, False), "'fail_silently' to send_mass_mail()"),
        (lambda: mail_admins(*ONE, False), "'fail_silently' to mail_admins()"),
        (lambda: mail_managers(*ONE, False), "'fail_silently' to mail_managers()"),
        (lambda: EmailMessage(*ARGS, ["bcc@example.test"]), "'bcc' to EmailMessage()"),
        (
            lambda: EmailMultiAlternatives(*ARGS, ["bcc@example.test"], None),
            "'bcc', 'connection' to EmailMultiAlternatives()",
        ),
    ],
)
def test_arguments_by_position(call, names):
    [(text, file)] = recorded(call)
    assert text == f"Passing positional argument(s) {names} is deprecated. " + (
        "Use keyword arguments instead."
    )
    assert file == __file__


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_arguments_by_position_arrive():
    message = EmailMultiAlternatives(
        *ARGS, ["b@example.test"], None, [], {"X": "y"}, [("<p>", "text/html")], ["c@example.test"]
    )
    assert (message.bcc, message.cc) == (["b@example.test"], ["c@example.test"])
    assert message.extra_headers == {"X": "y"}
    assert message.alternatives == [("<p>", "text/html")]


def test_too_many_arguments():
    with pytest.raises(TypeError, match=r"send_mass_mail\(\) takes at most 5 positional .* but 7"):
        send_mass_mail(1, 2, 3, 4, 5, 6, 7)


def test_an_argument_given_twice():
    with pytest.raises(TypeError, match=r"both deprecated positional and keyword .* 'connection'"):
        send_mass_mail(MASS, False, None, None, None, connection=None)


def test_connection_of_a_message():
    connection = mailers["other"]
    made = []
    [(text, file)] = recorded(lambda: made.append(EmailMessage(*ARGS, connection=connection)))
    assert text.startswith("The 'connection' argument is deprecated.")
    assert file == __file__
    message = made[0]
    assert recorded(lambda: message.connection) == [
        ("The EmailMessage.connection attribute is deprecated.", __file__)
    ]
    [(text, _)] = recorded(lambda: setattr(message, "connection", connection))
    assert "Switch to EmailMessage.send(using=...)" in text
    assert recorded(message.send) == []
    assert mail.outbox[0].sent_using == "other"


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_message_is_sent_one_way_only():
    message = EmailMessage(*ARGS, connection=mailers["other"])
    with pytest.raises(TypeError, match="'connection' is not compatible with 'using'"):
        message.send(using="other")
    with pytest.raises(TypeError, match="fail_silently cannot be used with a connection"):
        message.send(fail_silently=True)
    with pytest.raises(TypeError, match="'fail_silently' is not compatible with 'using'"):
        EmailMessage(*ARGS).send(fail_silently=True, using="other")


def test_fail_silently_of_send():
    [(text, file)] = recorded(lambda: EmailMessage(*ARGS).send(fail_silently=True))
    assert (text[:25], file) == ("The 'fail_silently' argum", __file__)
    assert Taking.used.fail_silently is True


def test_a_subclass_is_told_about_its_own_line():
    class Mine(EmailMessage):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    [(_, file)] = recorded(lambda: Mine(connection=mailers["other"]))
    assert file == __file__


def test_get_connection_is_the_default_mailer_with_other_options():
    made = []
    [(text, file)] = recorded(
        lambda: made.append(get_connection(fail_silently=True, username="me"))
    )
    assert text.startswith("get_connection() is deprecated.")
    assert file == __file__
    assert (made[0].alias, made[0].login, made[0].fail_silently) == ("default", ("me", None), True)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_get_connection_ignores_what_the_backend_does_not_know():
    assert get_connection(colour="red").alias == "default"


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_get_connection_takes_no_backend_with_mailers():
    with pytest.raises(RuntimeError, match="not supported with MAILERS"):
        get_connection("mailqueue.backends.locmem.EmailBackend")


def test_the_base_class_alone_knows_no_fail_silently():
    made = []
    [(text, _)] = recorded(lambda: made.append(BaseEmailBackend(fail_silently=True)))
    assert "BaseEmailBackend.__init__() does not support 'fail_silently'" in text
    [(text, file)] = recorded(lambda: made.append(made[0].fail_silently))
    assert text.startswith("BaseEmailBackend.fail_silently is deprecated.")
    assert file == __file__
    assert made[1] is True
    with pytest.raises(AttributeError):
        _ = made[0].gone


def test_options_unknown_to_a_backend_built_by_hand():
    [(text, file)] = recorded(lambda: locmem.EmailBackend(colour="red"))
    assert "mailqueue.backends.locmem.EmailBackend.__init__() does not support 'colour'" in text
    assert file == __file__


def test_an_smtp_backend_built_by_hand(legacy_settings):
    [(text, file)] = recorded(lambda: smtp.EmailBackend(host="x"))
    assert text.startswith("Directly creating EmailBackend instances is deprecated.")
    assert file == __file__


def test_mimebase():
    image = MIMEImage(b"x", "png")
    message = EmailMessage(*ARGS)
    [(text, file)] = recorded(lambda: message.attach(image))
    assert text.startswith("MIMEBase attachments are deprecated.")
    assert file == __file__
    assert message.attachments == [image]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_mimebase_is_complete():
    with pytest.raises(ValueError, match="when a MIMEBase instance is provided"):
        EmailMessage().attach(MIMEImage(b"x", "png"), "content")


@pytest.mark.skipif(compat.ADMINS_ARE_PAIRS, reason="Django 5.2 takes nothing but pairs")
def test_pairs_in_admins(settings):
    settings.ADMINS = [("Boss", "boss@example.test")]
    [(text, file)] = recorded(lambda: mail_admins("S", "B"))
    assert text.startswith("Using (name, address) pairs in the ADMINS setting is deprecated.")
    assert file == __file__


def test_without_mailers(legacy_settings):
    legacy_settings()
    [(text, file)] = recorded(lambda: mailers.default)
    assert text.startswith("Django 2028 will not have a default mailer.")
    assert file == __file__


@pytest.mark.parametrize(
    "name", ["BadHeaderError", "SafeMIMEText", "SafeMIMEMultipart", "forbid_multi_line_headers"]
)
@pytest.mark.filterwarnings("ignore")
def test_old_names(name):
    from django.core import mail as django_mail

    assert getattr(mail, name) is getattr(django_mail, name)
