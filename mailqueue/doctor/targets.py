"""The mailers that deliver: each is opened and closed, as far as logging in, and sends nothing."""

import smtplib
import socket
import ssl
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends import filebased

from mailqueue.backends import filebased as our_filebased
from mailqueue.checks.entries import made_of
from mailqueue.checks.options import HARMLESS
from mailqueue.delivery.connections import Connections
from mailqueue.doctor.finding import Finding
from mailqueue.mail import InvalidMailer, mailers
from mailqueue.mail.handler import backend_class

# X.509 and OpenSSL have a number for each fault (openssl-verification-options); the text that comes
# with it may name the host.
CERTIFICATES = {
    9: "it is not valid yet: is the clock here right",
    10: "it has expired",
    18: "it is signed by itself, and no authority vouches for it",
    19: "it comes from an authority that this machine does not trust",
    20: "it comes from an authority that this machine does not know, or the chain is incomplete",
    21: "the chain is incomplete",
    62: "it is for another name than the option 'host'",
    64: "it is for another address than the option 'host'",
}
LOGIN = "Correct 'username' and 'password', or 'oauth_token'; some want a password for apps."
PORTS = "'use_ssl' is for port 465, 'use_tls' (STARTTLS) for 587 and 25."
WAY = f"See that host and port are right, and firewalls let this machine through. {PORTS}"
WRITES = (filebased.EmailBackend, our_filebased.EmailBackend)  # a file, when it is opened


def look(alias: str) -> Iterator[Finding]:
    """Yield what is wrong with a mailer that delivers, as far as it can be told without mail."""
    config = mailers.settings[alias]
    try:
        backend_class(alias, config)
    except InvalidMailer:
        return  # E006
    if made_of(alias, config, *WRITES):
        return
    try:
        target = mailers[alias]
    except Exception as error:  # noqa: BLE001 (a backend of anybody)
        if not (made_of(alias, config, *HARMLESS) and isinstance(error, InvalidMailer)):  # E004
            yield fault(alias, error)
        return
    if vars(target).get("fail_silently"):
        vars(target)["fail_silently"] = False
    try:
        if hasattr(target, "open"):
            target.open()
    except Exception as error:  # noqa: BLE001
        yield fault(alias, error)
    finally:
        Connections.discard(target)


def fault(alias: str, error: Exception) -> Finding:
    """Say what an error means that came before any mail; its own text is not shown."""
    name, problem, cure = meaning(error)
    return Finding(id=name, about=f"MAILERS[{alias!r}]", problem=problem, cure=cure)


def meaning(error: Exception) -> tuple[str, str, str]:
    """Return id, problem and cure; the most specific class comes first."""
    match error:
        case ssl.SSLCertVerificationError():
            why = CERTIFICATES.get(error.verify_code, f"OpenSSL's error {error.verify_code}")
            cure = "Renew it, or trust its authority here; 'host' is the name that it is for."
            return "target-certificate", f"its certificate is not accepted: {why}", cure
        case ssl.SSLError():
            return "target-tls", "it does not speak TLS on this port as it is asked to", PORTS
        case smtplib.SMTPException():
            return of_smtp(error)
        case socket.gaierror():
            cure = "Correct the option 'host', or the name server of this machine."
            return "target-unknown-host", "the name of its host is not found", cure
        case OSError():
            return "target-unreachable", unreachable(error), WAY
        case ImproperlyConfigured():
            problem = f"its settings are not complete: {type(error).__name__}"
        case _:
            problem = f"it cannot be opened: {type(error).__name__}"
    return "target-unusable", problem, "'manage.py sendtestemail' shows the whole error."


def of_smtp(error: smtplib.SMTPException) -> tuple[str, str, str]:
    match error:
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
            return "target-tls", "it offers no STARTTLS on this port", PORTS
        case smtplib.SMTPAuthenticationError():
            return "target-login", f"it refuses the login ({error.smtp_code})", LOGIN
        case smtplib.SMTPResponseException():
            cure = "Ask its operator whether this machine may send through it."
            return "target-refuses", f"it refuses the session ({error.smtp_code})", cure
        case smtplib.SMTPServerDisconnected():
            cure = f"See that the port is right. {PORTS}"
            return "target-unreachable", "it hangs up before it is ready", cure
    # SMTPNotSupportedError of AUTH, and the bare class, which smtplib's login() alone raises
    return "target-login", "it offers no kind of login that is known here", LOGIN


def unreachable(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens on its port"
    return f"it cannot be reached: {type(error).__name__}"
