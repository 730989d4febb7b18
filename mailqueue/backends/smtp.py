"""Send mail over SMTP."""

import smtplib
import ssl
import threading
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.utils import DNS_NAME
from django.utils.functional import cached_property

from mailqueue import compat
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.mail.addresses import addr_spec
from mailqueue.mail.deprecation import warn_external_use
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.mail.headers import check_headers

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


class EmailBackend(BaseEmailBackend):
    """One connection to an SMTP server, with the options and the behaviour of Django's.

    After ``send_messages()``, ``refused`` holds for each message the recipients that the server
    refused while it took others; smtplib knows them, and Django drops them.
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
        super().__init__(**kwargs)
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
        self.connection: smtplib.SMTP | None = None
        self.refused: list[Refused] = []
        self._partial_connection: smtplib.SMTP | None = None
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
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)  # type: ignore[arg-type]
            return context
        return ssl.create_default_context()

    def open(self) -> bool | None:
        """Connect, unless connected; tell whether it was needed, or None if it failed silently."""
        if self.connection:
            return False
        if self._partial_connection is not None:
            self._close_connection(self._partial_connection)
            self._partial_connection = None
        try:
            self._partial_connection = self._connect()
            if self.use_tls and not self.use_ssl:
                self._partial_connection.starttls(context=self.ssl_context)
            if self.username and self.password:
                self._partial_connection.login(self.username, self.password)
        except OSError:
            if not self.fail_silently:
                raise
            return None
        self.connection, self._partial_connection = self._partial_connection, None
        return True

    def _connect(self) -> smtplib.SMTP:
        # Without local_hostname smtplib looks the name up each time.
        options: dict[str, Any] = {"local_hostname": DNS_NAME.get_fqdn()}
        if self.timeout is not None:
            options["timeout"] = self.timeout
        if self.use_ssl:
            options["context"] = self.ssl_context
        return self.connection_class(self.host, self.port, **options)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the connection."""
        try:
            if self._partial_connection is not None:
                self._close_connection(self._partial_connection)
        finally:
            self._partial_connection = None
        try:
            if self.connection is not None:
                self._close_connection(self.connection)
        finally:
            self.connection = None

    def _close_connection(self, connection: smtplib.SMTP) -> None:
        try:
            connection.quit()
        except (ssl.SSLError, smtplib.SMTPServerDisconnected):
            # The server was faster, or TLS ended before QUIT was answered.
            connection.close()
        except smtplib.SMTPException:
            if not self.fail_silently:
                raise

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send all over one connection; return the number that the server took.

        The connection is closed afterwards if it was opened here. `fail_silently` hides errors of
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
                return sum(self._send(message) for message in email_messages)
            finally:
                if opened:
                    self.close()

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
        data = compat.as_smtp_bytes(message)
        check_headers(message)  # a message of Django's own class has not done it
        assert self.connection is not None  # noqa: S101 (open() was called)
        return self.connection.sendmail(sender, recipients, data)

    def prep_address(self, address: Any, force_ascii: bool = True) -> str:
        """Return what `address` is in the envelope; see ``addr_spec()``."""
        return addr_spec(address, force_ascii=force_ascii)
