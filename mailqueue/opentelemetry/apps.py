"""The Django app that has mail followed."""

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class OpenTelemetryConfig(AppConfig):
    """Follows the mail that this process queues and delivers."""

    name = "mailqueue.opentelemetry"
    label = "mailqueue_opentelemetry"
    verbose_name = "Mail queue traces"

    def ready(self) -> None:
        try:
            from mailqueue.opentelemetry.spans import begin
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "opentelemetry":
                raise
            raise ImproperlyConfigured(
                "'mailqueue.opentelemetry' in INSTALLED_APPS needs the package opentelemetry-api: "
                "pip install mailqueue[opentelemetry]"
            ) from None

        begin()
