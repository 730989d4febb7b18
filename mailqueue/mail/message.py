"""Django's message classes with the arguments and rules of 6.1 on every Django.

Rendering is Django's own, of the version that is installed.
"""

import email.policy
from collections.abc import Sequence
from email.message import MIMEPart
from email.mime.base import MIMEBase
from email.policy import Policy
from typing import Any

from django.core.mail import message as django_message
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import (
    DEFAULT_ATTACHMENT_MIME_TYPE,
    EmailAlternative,
    EmailAttachment,
    make_msgid,
)

from mailqueue import compat
from mailqueue.mail.deprecation import (
    CONNECTION_ARG_WARNING,
    deprecate_posargs,
    report_connection_incompatibility,
    report_using_incompatibility,
    warn_about_arguments,
    warn_caller,
    warn_external_use,
)
from mailqueue.mail.handler import connect, mailers
from mailqueue.mail.headers import check_headers

__all__ = [
    "DEFAULT_ATTACHMENT_MIME_TYPE",
    "EmailAlternative",
    "EmailAttachment",
    "EmailMessage",
    "EmailMultiAlternatives",
    "make_msgid",
]


class EmailMessage(django_message.EmailMessage):
    """A message; see Django's documentation of its class of this name."""

    @deprecate_posargs("bcc", "connection", "attachments", "headers", "cc", "reply_to")
    def __init__(
        self,
        subject: Any = "",
        body: Any = "",
        from_email: str | None = None,
        to: Sequence[Any] | None = None,
        *,
        bcc: Sequence[Any] | None = None,
        connection: BaseEmailBackend | None = None,
        attachments: Sequence[Any] | None = None,
        headers: dict[str, Any] | None = None,
        cc: Sequence[Any] | None = None,
        reply_to: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            subject, body, from_email, to, bcc=bcc, headers=headers, cc=cc, reply_to=reply_to
        )
        for attachment in attachments or ():
            if isinstance(attachment, MIMEPart | MIMEBase):
                self.attach(attachment)
            else:
                self.attach(*attachment)
        if connection is not None:
            warn_external_use(CONNECTION_ARG_WARNING)
        self._connection = connection

    @property
    def connection(self) -> BaseEmailBackend | None:
        """The backend that send() takes; deprecated, use ``send(using=...)``."""
        warn_external_use("The EmailMessage.connection attribute is deprecated.")
        return self._connection

    @connection.setter
    def connection(self, value: BaseEmailBackend | None) -> None:
        warn_external_use(
            "The EmailMessage.connection attribute is deprecated. Switch to "
            "EmailMessage.send(using=...) with a MAILERS alias."
        )
        self._connection = value

    def message(self, *, policy: Policy | None = email.policy.default) -> Any:
        """Return the message as an object of Python's email package.

        Raise ValueError for a header that would not stay one header.
        """
        rendered = compat.render(EmailMessage, self, policy or email.policy.default)
        check_headers(self)
        return rendered

    def send(self, fail_silently: bool = False, *, using: str | None = None) -> int:
        """Send through the mailer `using`, or the default one; return the number of messages sent.

        Without recipients nothing is sent, and no backend is built.
        """
        if not self.recipients():
            return 0
        warn_about_arguments(fail_silently=fail_silently)
        self._refuse_get_connection()
        if using is not None:
            report_using_incompatibility(self._connection, fail_silently)
            backend = mailers[using]
        elif self._connection:
            report_connection_incompatibility(fail_silently)
            backend = self._connection
        else:
            backend = connect({"fail_silently": True} if fail_silently else {})
        return backend.send_messages([self])

    def attach(
        self, filename: Any = None, content: Any = None, mimetype: str | None = None
    ) -> None:
        """Attach a file, or a part that is complete.

        A ``text/*`` content given as bytes is decoded as UTF-8, or else attached as
        ``application/octet-stream``.
        """
        if not isinstance(filename, MIMEPart | MIMEBase):
            super().attach(filename, content, mimetype)
            return
        kind = "MIMEPart" if isinstance(filename, MIMEPart) else "MIMEBase"
        if kind == "MIMEBase":
            warn_caller(
                "MIMEBase attachments are deprecated. Use an email.message.MIMEPart instead.",
                compat.DeprecatedIn60,
            )
        if content is not None or mimetype is not None:
            raise ValueError(
                f"content and mimetype must not be given when a {kind} instance is provided."
            )
        self.attachments.append(filename)

    def _refuse_get_connection(self) -> None:
        inherited = getattr(django_message.EmailMessage, "get_connection", None)  # up to 6.0
        if getattr(type(self), "get_connection", None) is not inherited:
            raise AttributeError(
                "EmailMessage no longer supports the undocumented get_connection() method."
            )


class EmailMultiAlternatives(EmailMessage, django_message.EmailMultiAlternatives):
    """A message with its text in other forms, too; see Django's class of this name."""

    @deprecate_posargs(
        "bcc", "connection", "attachments", "headers", "alternatives", "cc", "reply_to"
    )
    def __init__(
        self,
        subject: Any = "",
        body: Any = "",
        from_email: str | None = None,
        to: Sequence[Any] | None = None,
        *,
        bcc: Sequence[Any] | None = None,
        connection: BaseEmailBackend | None = None,
        attachments: Sequence[Any] | None = None,
        headers: dict[str, Any] | None = None,
        alternatives: Sequence[tuple[Any, str]] | None = None,
        cc: Sequence[Any] | None = None,
        reply_to: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            subject,
            body,
            from_email,
            to,
            bcc=bcc,
            connection=connection,
            attachments=attachments,
            headers=headers,
            cc=cc,
            reply_to=reply_to,
        )
        self.alternatives = [EmailAlternative(*each) for each in alternatives or ()]


def __getattr__(name: str) -> Any:
    """Give what Django's module has of old and undocumented names."""
    return getattr(django_message, name)
