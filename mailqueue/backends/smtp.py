"""Send mail over SMTP."""

import smtplib
import ssl
import threading
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.utils.functional import cached_property

from mailqueue import compat
from mailqueue.delivery.outcome import Outcomes
from mailqueue.mail.addresses import addr_spec
from mailqueue.mail.deprecation import warn_external_use
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.smtp.batch import Batch
from mailqueue.smtp.care import Care
from mailqueue.smtp.client import Client
from mailqueue.smtp.keeping import Keeping
from mailqueue.smtp.rendering import render

LEGACY_SETTINGS = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
    "ssl_keyfile": "EMAIL_SSL_KEYFILE",
    "ssl_certfile": "EMAIL_SSL_CERTFILE",
}

Refused = dict[str, tuple[int, bytes]]  # address -> reply, as smtplib has it


class EmailBackend(Keeping):
    """A connection to an SMTP server, with the options of Django's backend and those of ``Care``.

    ``deliver()`` tells what became of each recipient; ``send_messages()`` behaves as Django's.
    After it, ``refused`` holds for each message the recipients that the server refused while it
    took others; smtplib knows them, and Django drops them.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        username: str | None = None,
        password: str | None = None,
        use_tls: bool | None = None,
        fail_silently: bool = False,
        use_ssl: bool | None = None,
        timeout: float | None = None,
        ssl_keyfile: str | None = None,
        ssl_certfile: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "alias" not in kwargs:
            warn_external_use(
                "Directly creating EmailBackend instances is deprecated. Use mail.mailers instead.",
                through="mailqueue.backends.",
            )
        try:
            self.care = Care.pop_from(kwargs)
        except ValueError as error:
            raise InvalidMailer(str(error), alias=kwargs.get("alias")) from error
        super().__init__(**kwargs)
        self.window = self.care.pipeline_window
        self.max_messages = self.care.max_messages
        self.host = host
        self.port = port
        self.username = username
        self.password = password
        self.use_tls = use_tls
        self.use_ssl = use_ssl
        self.timeout = timeout
        self.ssl_keyfile = ssl_keyfile
        self.ssl_certfile = ssl_certfile
        self.fail_silently = fail_silently
        self.refused: list[Refused] = []
        self._lock = threading.RLock()
        if self.alias is None:
            self._take_legacy_settings()
        else:
            self._check_options()

    def _check_options(self) -> None:
        if self.host is None:
            raise InvalidMailer("OPTIONS must define 'host'.", alias=self.alias)
        self.use_tls = bool(self.use_tls)
        self.use_ssl = bool(self.use_ssl)
        if self.use_ssl and self.use_tls:
            raise InvalidMailer(
                "The 'use_ssl' and 'use_tls' OPTIONS are incompatible. "
                "Set at most one of them to True.",
                alias=self.alias,
            )
        if self.care.oauth_token and (self.password or not self.username):
            raise InvalidMailer(
                "'oauth_token' needs 'username' and no 'password' in OPTIONS.", alias=self.alias
            )
        if self.port is None:
            self.port = 465 if self.use_ssl else 587 if self.use_tls else 25

    def _take_legacy_settings(self) -> None:
        for option, setting in LEGACY_SETTINGS.items():
            value = getattr(self, option)
            if value is None or (not value and option in {"host", "port"}):
                setattr(self, option, compat.legacy_setting(setting))
        if self.use_ssl and self.use_tls:
            raise ValueError(
                "EMAIL_USE_TLS/EMAIL_USE_SSL are mutually exclusive, so only set "
                "one of those settings to True."
            )

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """The client class of smtplib."""
        return smtplib.SMTP_SSL if self.use_ssl else smtplib.SMTP

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """What TLS trusts and shows; override it to trust a private CA."""
        if self.ssl_certfile or self.ssl_keyfile:
            context = ssl.SSLContext(protocol=ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)  # type: ignore[arg-type]
            except OSError as error:
                text = "'ssl_certfile' and 'ssl_keyfile' cannot be used"
                raise InvalidMailer(f"{text}: {type(error).__name__}.", alias=self.alias) from error
            context.load_default_certs()  # without them no server can be verified
            return context
        return ssl.create_default_context()

    def deliver(self, messages: Sequence[EmailMessage]) -> list[Outcomes]:
        """Send all; tell for each message what became of each of its recipients.

        Failures are outcomes and raise nothing. What was not started when a connection was lost
        goes over a new one. The connection is closed afterwards unless ``open()`` was called.
        """
        with self._lock:
            kept = self._kept_open
            try:
                return [delivery.outcomes for delivery in Batch(self, messages).run()]
            finally:
                self._kept_open = kept
                if not kept:
                    self._part()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send all over one connection; return the number that the server took.

        All are tried before the first error is raised. The connection is closed afterwards if it
        was opened here. `fail_silently` hides errors of
        connecting and SMTP errors, no others.
        """
        if not email_messages:
            return 0
        with self._lock:
            opened = self.open()
            if not self.connection or opened is None:
                return 0
            self.refused = []
            try:
                messages = list(email_messages)  # it may be an iterator
                if len(messages) > 1 and isinstance(self.connection, Client):
                    return self._send_all(messages)
                return sum(self._send(message) for message in messages)
            finally:
                if opened:
                    self.close()

    def _send_all(self, messages: Sequence[EmailMessage]) -> int:
        deliveries = Batch(self, messages, utf8=False).run()
        self.refused = [delivery.refused for delivery in deliveries]
        for delivery in deliveries:
            if delivery.error and not (self.fail_silently and isinstance(delivery.error, OSError)):
                raise delivery.error
        return sum(bool(each.outcomes) and each.error is None for each in deliveries)

    def _send(self, message: EmailMessage) -> bool:
        if not message.recipients():
            self.refused.append({})
            return False
        try:
            self.refused.append(self.transmit(message))
        except smtplib.SMTPException:
            if not self.fail_silently:
                raise
            self.refused.append({})
            return False
        return True

    def transmit(self, message: EmailMessage) -> Refused:
        """Send over the open connection; return the recipients refused, if any was accepted.

        Raise smtplib's errors, and ValueError for an address that cannot be sent to.
        """
        sender = self.prep_address(message.from_email)
        recipients = [self.prep_address(address) for address in message.recipients()]
        data = render(message)
        assert self.connection is not None  # noqa: S101 (open() was called)
        return self.connection.sendmail(sender, recipients, data)

    def prep_address(self, address: Any, force_ascii: bool = True) -> str:
        """Return what `address` is in the envelope; see ``addr_spec()``."""
        return addr_spec(address, force_ascii=force_ascii)
