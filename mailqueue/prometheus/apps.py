"""The Django app that switches the metrics on."""

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class PrometheusConfig(AppConfig):
    """Counts what happens to mail in this process."""

    name = "mailqueue.prometheus"
    label = "mailqueue_prometheus"
    verbose_name = "Mail queue metrics"

    def ready(self) -> None:
        try:
            from mailqueue.prometheus.exposing import begin
        except ModuleNotFoundError as error:
            if error.name != "prometheus_client":
                raise
            raise ImproperlyConfigured(
                "'mailqueue.prometheus' in INSTALLED_APPS needs the package prometheus-client: "
                "pip install mailqueue[prometheus]"
            ) from None

        begin()
