"""The functions of the mail API: each builds messages and sends them."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.functional import Promise

from mailqueue import compat
from mailqueue.mail.deprecation import (
    deprecate_posargs,
    report_connection_incompatibility,
    report_using_incompatibility,
    warn_about_arguments,
    warn_caller,
)
from mailqueue.mail.handler import connect, mailers
from mailqueue.mail.message import EmailMessage, EmailMultiAlternatives


@deprecate_posargs("fail_silently", "auth_user", "auth_password", "connection", "html_message")
def send_mail(
    subject: Any,
    message: Any,
    from_email: str | None,
    recipient_list: Sequence[Any],
    *,
    fail_silently: bool = False,
    auth_user: str | None = None,
    auth_password: str | None = None,
    connection: BaseEmailBackend | None = None,
    html_message: str | None = None,
    using: str | None = None,
) -> int:
    """Send one message; return the number of messages sent.

    All recipients see one another. ``from_email=None`` stands for DEFAULT_FROM_EMAIL.
    """
    legacy = _Legacy(connection, fail_silently, auth_user, auth_password)
    legacy.check(using)
    backend = legacy.backend() if using is None else None
    email = EmailMultiAlternatives(subject, message, from_email, recipient_list)
    email._connection = connection
    if html_message:
        email.attach_alternative(html_message, "text/html")
    if backend is None:
        return email.send(using=using)
    return backend.send_messages([email]) if email.recipients() else 0


@deprecate_posargs("fail_silently", "auth_user", "auth_password", "connection")
def send_mass_mail(
    datatuple: Iterable[tuple[Any, Any, str | None, Sequence[Any]]],
    *,
    fail_silently: bool = False,
    auth_user: str | None = None,
    auth_password: str | None = None,
    connection: BaseEmailBackend | None = None,
    using: str | None = None,
) -> int:
    """Send each (subject, message, from_email, recipient_list) over one connection.

    Return the number of messages sent.
    """
    legacy = _Legacy(connection, fail_silently, auth_user, auth_password)
    legacy.check(using)
    backend = legacy.backend() if using is None else mailers[using]
    messages = [EmailMessage(*data) for data in datatuple]
    for message in messages:
        message._connection = connection
    return backend.send_messages(messages)


@deprecate_posargs("fail_silently", "connection", "html_message")
def mail_admins(
    subject: Any,
    message: Any,
    *,
    fail_silently: bool = False,
    connection: BaseEmailBackend | None = None,
    html_message: str | None = None,
    using: str | None = None,
) -> None:
    """Send a message to ADMINS, from SERVER_EMAIL, with EMAIL_SUBJECT_PREFIX."""
    _send_to("ADMINS", subject, message, html_message, _Legacy(connection, fail_silently), using)


@deprecate_posargs("fail_silently", "connection", "html_message")
def mail_managers(
    subject: Any,
    message: Any,
    *,
    fail_silently: bool = False,
    connection: BaseEmailBackend | None = None,
    html_message: str | None = None,
    using: str | None = None,
) -> None:
    """Send a message to MANAGERS, from SERVER_EMAIL, with EMAIL_SUBJECT_PREFIX."""
    _send_to("MANAGERS", subject, message, html_message, _Legacy(connection, fail_silently), using)


class _Legacy(NamedTuple):
    """The deprecated arguments of a call."""

    connection: BaseEmailBackend | None
    fail_silently: bool
    auth_user: str | None = None
    auth_password: str | None = None

    def check(self, using: str | None) -> None:
        """Warn about each that was given; raise TypeError for what cannot be given together."""
        warn_about_arguments(*self)
        if using is not None:
            report_using_incompatibility(*self)
        elif self.connection is not None:
            report_connection_incompatibility(*self[1:])

    def backend(self) -> BaseEmailBackend:
        options = {
            "fail_silently": self.fail_silently or None,
            "username": self.auth_user,
            "password": self.auth_password,
        }
        return self.connection or connect(
            {name: value for name, value in options.items() if value is not None}
        )


def _send_to(
    setting: str,
    subject: Any,
    body: Any,
    html: str | None,
    legacy: _Legacy,
    using: str | None,
) -> None:
    legacy.check(using)
    if not (recipients := _people(setting)):
        return
    email = EmailMultiAlternatives(
        subject=f"{settings.EMAIL_SUBJECT_PREFIX}{subject}",
        body=body,
        from_email=settings.SERVER_EMAIL,
        to=recipients,
    )
    email._connection = legacy.connection
    if html:
        email.attach_alternative(html, "text/html")
    backend = legacy.backend() if using is None else mailers[using]
    backend.send_messages([email])


def _people(setting: str) -> Sequence[Any]:
    """Return the addresses of ADMINS or MANAGERS, which may hold (name, address) pairs."""
    people: Sequence[Any] = getattr(settings, setting)
    if people and all(isinstance(each, list | tuple) and len(each) == 2 for each in people):
        if not compat.ADMINS_ARE_PAIRS:
            warn_caller(
                f"Using (name, address) pairs in the {setting} setting is deprecated."
                " Replace with a list of email address strings.",
                compat.DeprecatedIn60,
            )
        people = [address for _, address in people]
    if people and not (
        isinstance(people, list | tuple)
        and all(isinstance(address, str | Promise) for address in people)
    ):
        raise ImproperlyConfigured(
            f"The {setting} setting must be a list of email address strings."
        )
    return people
