"""The mail API of Django 6.1 on every supported Django: a drop-in for ``django.core.mail``."""

import sys
from types import ModuleType
from typing import Any

from django.core import mail as django_mail
from django.core.mail.utils import DNS_NAME, CachedDnsName

from mailqueue.mail.exceptions import InvalidMailer, MailerDoesNotExist
from mailqueue.mail.functions import mail_admins, mail_managers, send_mail, send_mass_mail
from mailqueue.mail.handler import DEFAULT_MAILER_ALIAS, get_connection, mailers
from mailqueue.mail.message import (
    DEFAULT_ATTACHMENT_MIME_TYPE,
    EmailAlternative,
    EmailAttachment,
    EmailMessage,
    EmailMultiAlternatives,
    make_msgid,
)

__all__ = [
    "DEFAULT_ATTACHMENT_MIME_TYPE",
    "DEFAULT_MAILER_ALIAS",
    "DNS_NAME",
    "CachedDnsName",
    "EmailAlternative",
    "EmailAttachment",
    "EmailMessage",
    "EmailMultiAlternatives",
    "InvalidMailer",
    "MailerDoesNotExist",
    "get_connection",
    "mail_admins",
    "mail_managers",
    "mailers",
    "make_msgid",
    "send_mail",
    "send_mass_mail",
]


class _Module(ModuleType):
    """Makes ``mailqueue.mail.outbox`` the one of Django's test framework, which rebinds its own."""

    @property
    def outbox(self) -> list[EmailMessage]:
        return django_mail.outbox  # type: ignore[return-value]

    @outbox.setter
    def outbox(self, messages: list[EmailMessage]) -> None:
        django_mail.outbox = messages  # type: ignore[assignment]

    @outbox.deleter
    def outbox(self) -> None:
        del django_mail.outbox


sys.modules[__name__].__class__ = _Module


def __getattr__(name: str) -> Any:
    """Give the names that Django deprecates, with its warning."""
    if name in {"BadHeaderError", "SafeMIMEText", "SafeMIMEMultipart", "forbid_multi_line_headers"}:
        return getattr(django_mail, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
