"""What Django 6.1 has and older ones lack; the only module that asks for Django's version.

Others ask here, or look whether Django has the name that they need.
"""

import copy
import email
import email.policy
import sys
from collections.abc import Mapping
from email.message import Message, MIMEPart
from email.mime.base import MIMEBase
from email.policy import EmailPolicy, Policy
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.utils import deprecation

HAS_MAILERS = django.VERSION >= (6, 1)  # Django itself reads and checks the MAILERS setting
HAS_POLICY = django.VERSION >= (6, 0)  # message() builds modern messages and takes a policy
CRUMBS_ARE_A_LIST = django.VERSION >= (6, 1)  # in the admin's pages
ADMINS_ARE_PAIRS = django.VERSION < (6, 0)  # Django itself takes nothing but pairs

settings: Any = django_settings  # its stubs know the names of one project only

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
BRIDGE = "mailqueue.backends.mailers.EmailBackend"
BACKENDS = {
    f"django.core.mail.backends.{name}.EmailBackend": f"mailqueue.backends.{name}.EmailBackend"
    for name in ("smtp", "console", "filebased", "locmem", "dummy")
}
LEGACY_SETTINGS = (
    "EMAIL_BACKEND",
    "EMAIL_FILE_PATH",
    "EMAIL_HOST",
    "EMAIL_HOST_PASSWORD",
    "EMAIL_HOST_USER",
    "EMAIL_PORT",
    "EMAIL_SSL_CERTFILE",
    "EMAIL_SSL_KEYFILE",
    "EMAIL_TIMEOUT",
    "EMAIL_USE_SSL",
    "EMAIL_USE_TLS",
)

if TYPE_CHECKING or HAS_MAILERS:
    from django.core.mail.exceptions import InvalidMailer as InvalidMailer
    from django.core.mail.exceptions import MailerDoesNotExist as MailerDoesNotExist
else:

    class InvalidMailer(ImproperlyConfigured):
        """An entry of ``settings.MAILERS`` is wrong."""

        def __init__(self, msg, *, alias=None):
            super().__init__(msg if alias is None else f"MAILERS[{alias!r}]: {msg}")

    class MailerDoesNotExist(InvalidMailer, KeyError):  # noqa: N818 (Django's name)
        """``settings.MAILERS`` has no such alias; nothing else may raise this."""

        def __init__(self, *, alias):
            super().__init__(f"The mailer '{alias}' is not configured.")


class RemovedInDjango2028Warning(PendingDeprecationWarning):
    """Stands for Django's class of this name where Django does not deprecate the feature yet."""


# A Django that deprecates the feature gives its own class (its name differs between releases);
# an older one must not see its own filters turn our news into errors.
_DJANGOS: type[Warning] = getattr(
    deprecation,
    "RemovedInDjango2028Warning",
    getattr(deprecation, "RemovedInDjango70Warning", RemovedInDjango2028Warning),
)
DeprecatedIn60: type[Warning] = _DJANGOS if HAS_POLICY else RemovedInDjango2028Warning
DeprecatedIn61: type[Warning] = _DJANGOS if HAS_MAILERS else RemovedInDjango2028Warning


def mailers_setting() -> Mapping[str, Any]:
    """Return ``settings.MAILERS``, with locmem in place of all backends under a test runner.

    Raise ImproperlyConfigured if ``EMAIL_*`` settings are defined beside it.
    """
    configured: Mapping[str, Any] = getattr(settings, "MAILERS", {})
    if HAS_MAILERS or not hasattr(settings, "MAILERS"):
        return configured
    _refuse_legacy_settings()
    if not _in_test_environment():
        return configured
    # As Django 6.1 does when a test run starts. An entry that a test brought in with
    # override_settings() is another object, and stays what the test says.
    base = _settings_before_overrides()
    return {
        alias: {"BACKEND": LOCMEM} if config is base.get(alias) else config
        for alias, config in configured.items()
    }


def legacy_setting(name: str) -> Any:
    """Return an ``EMAIL_*`` setting without the warning that is for its author, not its reader.

    Raise AttributeError beside MAILERS, as reading the setting itself does from 6.1.
    """
    if hasattr(settings, "MAILERS"):
        raise AttributeError(f"The {name} setting is not available when MAILERS is defined.")
    return getattr(settings._wrapped, name, None)


def email_backend() -> str:
    """Return EMAIL_BACKEND, also where MAILERS takes its place."""
    path: str = getattr(settings._wrapped, "EMAIL_BACKEND", "")
    return path


def warned_at_start() -> bool:
    """Tell whether Django warned about ``EMAIL_*`` settings when it loaded them."""
    return HAS_MAILERS and any(settings.is_overridden(name) for name in LEGACY_SETTINGS)


def backend_path(path: str) -> str:
    """Return our backend for Django's where Django's does not know the rules of MAILERS."""
    return path if HAS_MAILERS else BACKENDS.get(path, path)


def render(owner: type[EmailMessage], message: EmailMessage, policy: Policy) -> Any:
    """Call Django's ``message()`` above `owner`, under `policy`.

    Django 5.2 renders with Python's legacy classes. Its result is what is returned for the
    default policy; for another one it is parsed again under that.
    """
    above: Any = super(owner, message)
    if HAS_POLICY:
        return above.message(policy=policy)
    clone = copy.copy(message)
    clone.attachments = [_legacy_part(part) for part in message.attachments]
    above = super(owner, clone)
    legacy = above.message()
    if policy is email.policy.default:
        return legacy
    return email.message_from_bytes(legacy.as_bytes(), policy=policy)


def smtp_mime(message: EmailMessage, policy: "EmailPolicy[Any]") -> Any:
    """Return any Django message as a MIME object, under `policy` where Django takes one."""
    return message.message(policy=policy) if HAS_POLICY else message.message()


def as_smtp_bytes(mime: Any, message: EmailMessage, policy: "EmailPolicy[Any]") -> bytes:
    """Write the MIME object of a message with the line ends of RFC 5321, as `policy` has it."""
    if HAS_POLICY:
        rendered: bytes = mime.as_bytes()
        return rendered
    legacy: bytes = mime.as_bytes(linesep="\r\n")
    if policy.utf8:
        return _with_utf8_headers(message, email.message_from_bytes(legacy, policy=policy))
    if policy.cte_type == "7bit":
        reparsed: bytes = email.message_from_bytes(legacy, policy=policy).as_bytes()
        return reparsed
    return legacy


def _with_utf8_headers(message: EmailMessage, parsed: Any) -> bytes:
    """Put back the addresses that Django 5.2 writes in a form that is none."""
    names = {"From": [message.from_email], "To": message.to, "Cc": message.cc}
    for name, addresses in {**names, "Reply-To": message.reply_to}.items():
        value = message.extra_headers.get(name) or ", ".join(map(str, addresses))
        if name in parsed and not str(value).isascii():
            parsed.replace_header(name, str(value))
    rendered: bytes = parsed.as_bytes()
    return rendered


class _LegacyPart(MIMEBase):
    """What Django 5.2 takes for an attachment that is a part already."""

    def __init__(self, policy: Policy = email.policy.compat32) -> None:
        Message.__init__(self, policy)


def _legacy_part(part: Any) -> Any:
    if not isinstance(part, MIMEPart):
        return part
    return email.message_from_bytes(part.as_bytes(), _class=_LegacyPart)


def _refuse_legacy_settings() -> None:
    defined = [
        name
        for name in LEGACY_SETTINGS
        if settings.is_overridden(name)
        # The two that do no harm: the way in for other people's code, and the test runner's.
        and not (name == "EMAIL_BACKEND" and settings.EMAIL_BACKEND in (BRIDGE, LOCMEM))
    ]
    if defined:
        raise ImproperlyConfigured(
            "Deprecated email settings are not allowed when MAILERS is "
            f"defined: {', '.join(defined)}."
        )


def _in_test_environment() -> bool:
    """Tell whether Django's setup_test_environment() is in force.

    ``mail.outbox`` would not do: a locmem backend in a production process makes one, too.
    """
    utils = sys.modules.get("django.test.utils")  # never imported but by tests
    return utils is not None and hasattr(utils._TestState, "saved_data")


def _settings_before_overrides() -> Mapping[str, Any]:
    """Return MAILERS as the settings file has it, below what override_settings() put on top."""
    holder = settings._wrapped
    while hasattr(below := getattr(holder, "default_settings", None), "is_overridden"):
        holder = below
    mailers: Mapping[str, Any] = getattr(holder, "MAILERS", {})
    return mailers
