"""The connection of an SMTP backend: how it is configured, opened, replaced when worn, closed."""

import smtplib
import ssl
import threading
from typing import Any

from django.core.mail.utils import DNS_NAME
from django.utils.functional import cached_property

from mailqueue import compat
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.frames import Edge
from mailqueue.mail.deprecation import warn_external_use
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.smtp import oauth
from mailqueue.smtp.client import FAREWELL, Client, client_class
from mailqueue.smtp.deadline import Deadline
from mailqueue.smtp.options import ConnectionOptions, check_server

FINAL_TIMEOUT = 600.0  # RFC 5321 section 4.5.3.2.6

SETTING_OF_OPTION = {
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


class SMTPConnection(BaseEmailBackend):
    """The half of an SMTP backend that has to do with its connection."""

    connection: smtplib.SMTP | None = None
    _partial_connection: smtplib.SMTP | None = None
    _kept_open = False

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
            self.connection_options = ConnectionOptions.pop_from(kwargs)
            if kwargs.get("alias") is not None:
                check_server(host, port, timeout)
        except ValueError as error:
            raise InvalidMailer(str(error), alias=kwargs.get("alias")) from error
        super().__init__(**kwargs)
        self.window = self.connection_options.pipeline_window
        self.max_messages = self.connection_options.max_messages
        self.lacking: set[str] = set()
        self.deadline = Deadline(self.connection_options.deadline)
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
        if self.connection_options.oauth_token and (self.password or not self.username):
            raise InvalidMailer(
                "'oauth_token' needs 'username' and no 'password' in OPTIONS.", alias=self.alias
            )
        if self.port is None:
            self.port = 465 if self.use_ssl else 587 if self.use_tls else 25

    def _take_legacy_settings(self) -> None:
        for option, setting in SETTING_OF_OPTION.items():
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

    def longest(self, mails: int = 1) -> float:
        """Return the seconds that one call with so many mails can take, whatever the server does.

        It holds for ``deliver()``, ``send_messages()`` and, with one, for ``open()``; not for what
        the operating system takes to look up the host.
        """
        final = self.connection_options.final_timeout or self.timeout
        each = self.connection_options.deadline + (FINAL_TIMEOUT if final is None else final)
        return max(mails, 1) * each + 2 * FAREWELL

    def open(self) -> bool | None:
        """Connect, unless connected; tell whether it was needed, or None if it failed silently.

        A connection that is old, closed or of the process before a fork is replaced.
        """
        with Edge(), self._lock, self.deadline.call(self.longest()):
            self._kept_open = True
            return self._open()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._kept_open = False
            partial, self._partial_connection = self._partial_connection, None
            connection, self.connection = self.connection, None
            try:
                if partial is not None:
                    self._close_connection(partial)
            finally:
                if connection is not None:
                    self._close_connection(connection)

    def ready(self) -> Client:
        """Return a connection that mail may go over; raise what connecting raises."""
        try:
            opened = self.open()
        except BaseException:
            self._forget_partial()
            raise
        if opened is None or not isinstance(self.connection, Client):
            self._forget_partial()
            raise smtplib.SMTPServerDisconnected("The connection could not be opened.")
        return self.connection

    def _forget_partial(self) -> None:
        connection, self._partial_connection = self._partial_connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> bool | None:
        bounds = self.connection_options
        if isinstance(self.connection, Client) and not self.connection.usable(
            max_messages=bounds.max_messages, max_age=bounds.max_age
        ):
            self._part()
        if self.connection:
            return False
        if self._partial_connection is not None:
            self._close_connection(self._partial_connection)
            self._partial_connection = None
        try:
            self._partial_connection = self._connect()
            if self.use_tls and not self.use_ssl:
                self._partial_connection.starttls(context=self.ssl_context)
            self._log_in(self._partial_connection)
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
        made: Any = self.connection_class
        if isinstance(made, type):  # a test may have put something else there
            made = client_class(made)
            options["deadline"] = self.deadline
        connection: smtplib.SMTP = made(self.host, self.port, **options)
        if isinstance(connection, Client):
            patient = FINAL_TIMEOUT if self.timeout is None else None
            connection.final_timeout = self.connection_options.final_timeout or patient
        return connection

    def _log_in(self, connection: smtplib.SMTP) -> None:
        if self.username and callable(self.connection_options.oauth_token):
            oauth.login(connection, self.username, self.connection_options.oauth_token)
        elif self.username and self.password:
            connection.login(self.username, self.password)

    def _part(self) -> None:
        """Close a connection that is not used again; how it takes it does not matter."""
        connection, self.connection = self.connection, None
        if isinstance(connection, Client):
            connection.part()

    def _close_connection(self, connection: smtplib.SMTP) -> None:
        if isinstance(connection, Client) and connection.inherited:
            connection.close()  # QUIT would end the parent's session
            return
        try:
            connection.quit()
        except (ssl.SSLError, smtplib.SMTPServerDisconnected):
            # The server was faster, or TLS ended before QUIT was answered.
            connection.close()
        except smtplib.SMTPException:
            if not self.fail_silently:
                raise
