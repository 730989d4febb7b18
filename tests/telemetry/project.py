"""Settings of a project whose processes count mail and follow it."""

import json
import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

SECRET_KEY = "only for tests"
USE_TZ = True
INSTALLED_APPS = ["mailqueue", "mailqueue.prometheus", "mailqueue.opentelemetry"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MAILERS = json.loads(os.environ["MAILQUEUE_MAILERS"])
CELERY_BROKER_URL = os.environ["MAILQUEUE_BROKER_URL"]
if database := json.loads(os.environ["MAILQUEUE_TEST_DATABASE"]):
    DATABASES = {"default": database}
    INSTALLED_APPS.append("mailqueue.ledger")

spans = Path(os.environ["MAILQUEUE_TEST_SPANS"]).open("a")  # noqa: SIM115 (the exporter's)
provider = TracerProvider()
provider.add_span_processor(
    SimpleSpanProcessor(
        ConsoleSpanExporter(out=spans, formatter=lambda span: span.to_json(indent=None) + "\n")
    )
)
trace.set_tracer_provider(provider)
