"""The registry `mailers` over ``settings.MAILERS``, by the rules of Django 6.1."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, overload

from django.conf import settings as django_settings
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.module_loading import import_string

from mailqueue import compat
from mailqueue.mail.deprecation import deprecate_posargs, warn_external_use, warn_if_no_mailers
from mailqueue.mail.exceptions import InvalidMailer, MailerDoesNotExist

T = TypeVar("T")

DEFAULT_MAILER_ALIAS = "default"
DEFAULT_MAILER_BACKEND = "mailqueue.backends.smtp.EmailBackend"


class MailersHandler:
    """Build the backend that ``settings.MAILERS`` has under an alias; a new one each time."""

    def __getitem__(self, alias: str, /) -> BaseEmailBackend:
        return self.create_connection(alias)

    def __contains__(self, alias: object, /) -> bool:
        return alias in self.settings

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings)

    @overload
    def get(self, alias: str, /) -> BaseEmailBackend | None: ...
    @overload
    def get(self, alias: str, /, default: T) -> BaseEmailBackend | T: ...
    def get(self, alias: str, /, default: Any = None) -> Any:
        """Return ``self[alias]``, or `default` if there is no such alias."""
        try:
            return self[alias]
        except MailerDoesNotExist:
            return default

    @property
    def default(self) -> BaseEmailBackend:
        """The mailer for those who name none; without MAILERS, the one of ``EMAIL_BACKEND``."""
        return self[DEFAULT_MAILER_ALIAS]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The entries in force."""
        return compat.mailers_setting()

    @property
    def _is_configured(self) -> bool:
        return hasattr(django_settings, "MAILERS")

    def create_connection(
        self, alias: str, /, *, _deprecated_kwargs: Mapping[str, Any] | None = None
    ) -> BaseEmailBackend:
        """Build the backend of `alias`.

        Raise MailerDoesNotExist for an unknown alias, and InvalidMailer for whatever else is wrong.
        """
        if not self._is_configured and alias == DEFAULT_MAILER_ALIAS:
            return connect(_deprecated_kwargs or {})
        try:
            config = self.settings[alias]
        except KeyError:
            raise MailerDoesNotExist(alias=alias) from None
        made_by = backend_class(alias, config)
        options = dict(config.get("OPTIONS", {}))
        if "alias" in options:
            raise InvalidMailer("OPTIONS must not define 'alias'.", alias=alias)
        if _deprecated_kwargs:
            # Names that a caller of old code gave are no mistakes of the settings.
            options |= _deprecated_kwargs
            options["_ignore_unknown_kwargs"] = set(_deprecated_kwargs)
        backend: BaseEmailBackend = made_by(alias=alias, **options)
        if getattr(backend, "alias", None) is None:  # Django's base class keeps it from 6.1
            backend.alias = alias  # type: ignore[attr-defined]
        return backend


mailers = MailersHandler()


def connect(options: Mapping[str, Any], path: str | None = None) -> BaseEmailBackend:
    """Do what get_connection() does, and warn only that MAILERS is missing."""
    warn_if_no_mailers()
    if mailers._is_configured:
        if path is not None:
            raise RuntimeError("get_connection(backend, ...) is not supported with MAILERS.")
        return mailers.create_connection(DEFAULT_MAILER_ALIAS, _deprecated_kwargs=options)
    path = path or compat.legacy_setting("EMAIL_BACKEND")
    # Ours on each Django: 6.1's own would warn that we build it, and not those who told us to.
    backend: BaseEmailBackend = import_string(compat.BACKENDS.get(path, path))(**options)
    return backend


@deprecate_posargs("fail_silently")
def get_connection(
    backend: str | None = None, *, fail_silently: bool = False, **kwds: Any
) -> BaseEmailBackend:
    """Return a backend; deprecated, use `mailers`.

    With MAILERS it is ``mailers.default`` with `kwds` over its OPTIONS, and `backend` is a
    RuntimeError; without, it is `backend` or ``settings.EMAIL_BACKEND``.
    """
    warn_external_use(
        "get_connection() is deprecated. See 'Migrating email to mailers' "
        "in Django's documentation for recommended replacements."
    )
    if fail_silently:
        kwds["fail_silently"] = fail_silently
    return connect(kwds, backend)


def backend_class(alias: str, config: Any) -> Any:
    """Import the backend of an entry; raise InvalidMailer if that fails, or if it is no entry."""
    if not isinstance(config, Mapping):
        raise InvalidMailer(f"It must be a dict, got {type(config).__name__}", alias=alias)
    if not isinstance(options := config.get("OPTIONS", {}), Mapping):
        raise InvalidMailer(f"OPTIONS must be a dict, got {type(options).__name__}", alias=alias)
    path = config.get("BACKEND", DEFAULT_MAILER_BACKEND)
    if not isinstance(path, str):
        raise InvalidMailer(f"BACKEND must be a dotted path, got {path!r}", alias=alias)
    try:
        return import_string(compat.backend_path(path))
    except ImportError as error:
        raise InvalidMailer(f"Could not find BACKEND {path!r}: {error}", alias=alias) from error
    except Exception as error:  # ".Backend" names no package; and a module may do what it likes
        why = type(error).__name__
        raise InvalidMailer(f"Could not import BACKEND {path!r}: {why}", alias=alias) from error
