"""The connection that a backend keeps: opened, replaced when it is worn, closed."""

import smtplib
import ssl
import threading
from typing import Any

from django.core.mail.utils import DNS_NAME

from mailqueue.backends.base import BaseEmailBackend
from mailqueue.smtp import oauth
from mailqueue.smtp.care import Care
from mailqueue.smtp.client import Client, with_care

FINAL_TIMEOUT = 600.0  # RFC 5321 section 4.5.3.2.6


class Keeping(BaseEmailBackend):
    """The half of an SMTP backend that has to do with its connection."""

    host: str | None
    port: int | None
    username: str | None
    password: str | None
    use_tls: bool | None
    use_ssl: bool | None
    timeout: float | None
    fail_silently: bool
    care: Care
    _lock: threading.RLock

    connection: smtplib.SMTP | None = None
    _partial_connection: smtplib.SMTP | None = None
    _kept_open = False

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """The client class of smtplib."""
        raise NotImplementedError

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """What TLS trusts and shows."""
        raise NotImplementedError

    def open(self) -> bool | None:
        """Connect, unless connected; tell whether it was needed, or None if it failed silently.

        A connection that is old, closed or of the process before a fork is replaced.
        """
        with self._lock:
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
        care = self.care
        if isinstance(self.connection, Client) and not self.connection.usable(
            max_messages=care.max_messages, max_age=care.max_age
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
            made = with_care(made)
        connection: smtplib.SMTP = made(self.host, self.port, **options)
        if isinstance(connection, Client):
            patient = FINAL_TIMEOUT if self.timeout is None else None
            connection.final_timeout = self.care.final_timeout or patient
        return connection

    def _log_in(self, connection: smtplib.SMTP) -> None:
        if self.username and callable(self.care.oauth_token):
            oauth.login(connection, self.username, self.care.oauth_token)
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
