"""The functions of the mail API: each builds messages and sends them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    # A crash reporter shows the variables of whoever sent what failed.
    del subject, message, from_email, recipient_list, html_message, auth_user, auth_password
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
    del datatuple, auth_user, auth_password  # see send_mail()
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
    legacy = _Legacy(connection, fail_silently)
    legacy.check(using)
    email = _email_to("ADMINS", subject, message, html_message)
    del subject, message, html_message  # see send_mail()
    _send(email, legacy, using)


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
    legacy = _Legacy(connection, fail_silently)
    legacy.check(using)
    email = _email_to("MANAGERS", subject, message, html_message)
    del subject, message, html_message  # see send_mail()
    _send(email, legacy, using)


@dataclass(frozen=True, slots=True)
class _Legacy:
    """The deprecated arguments of a call."""

    connection: BaseEmailBackend | None
    fail_silently: bool
    auth_user: str | None = field(default=None, repr=False)
    auth_password: str | None = field(default=None, repr=False)

    def check(self, using: str | None) -> None:
        """Warn about each that was given; raise TypeError for what cannot be given together."""
        given = self.fail_silently, self.auth_user, self.auth_password
        warn_about_arguments(self.connection, *given)
        if using is not None:
            report_using_incompatibility(self.connection, *given)
        elif self.connection is not None:
            report_connection_incompatibility(*given)

    def backend(self) -> BaseEmailBackend:
        options = {
            "fail_silently": self.fail_silently or None,
            "username": self.auth_user,
            "password": self.auth_password,
        }
        return self.connection or connect(
            {name: value for name, value in options.items() if value is not None}
        )


def _email_to(
    setting: str, subject: Any, body: Any, html: str | None
) -> EmailMultiAlternatives | None:
    if not (recipients := _people(setting)):
        return None
    email = EmailMultiAlternatives(
        subject=f"{settings.EMAIL_SUBJECT_PREFIX}{subject}",
        body=body,
        from_email=settings.SERVER_EMAIL,
        to=recipients,
    )
    if html:
        email.attach_alternative(html, "text/html")
    return email


def _send(email: EmailMultiAlternatives | None, legacy: _Legacy, using: str | None) -> None:
    if email is not None:
        email._connection = legacy.connection
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
