"""Which brokers carry mail, and what is wrong with the one that is set; nothing here connects."""

from celery import Celery
from django.core.exceptions import ImproperlyConfigured

from mailqueue.broker import eager
from mailqueue.broker.app import carrier, url_list
from mailqueue.broker.publish import KOMBU_VISIBILITY_TIMEOUT

RABBITMQ = ("amqp", "amqps", "pyamqp")
REDIS = ("redis", "rediss", "sentinel")  # Valkey speaks the same


def no_broker() -> str:
    """Say that this process knows no broker; "" if it does, or needs none."""
    try:
        carrier()
    except ImproperlyConfigured as error:
        return str(error)
    return ""


def broker_fault() -> str:
    """Say that the broker cannot carry mail; "" if it can, or if none is known or needed."""
    known = (*REDIS, *RABBITMQ)
    unknown = [scheme for scheme in schemes() if scheme not in known]
    if not unknown:
        return ""
    # Of an URL nothing else is shown: it may hold a password.
    return f"broker_url must begin with {', '.join(known)} and '://', got {unknown[0]!r}"


def is_eager() -> bool:
    """Tell whether mail is sent where it is written, and not queued."""
    app = known_carrier()
    return app is not None and eager.is_eager(app)


def is_redis() -> bool:
    """Tell whether Redis, or Valkey, carries the mail of this process; False without a broker."""
    return not set(schemes()).isdisjoint(REDIS)


def visibility_timeout() -> float | None:
    """Return the seconds until Redis gives a task to a second worker; None on another broker."""
    app = known_carrier()
    if app is None or not is_redis():
        return None
    options = app.conf.broker_transport_options or {}
    return float(options.get("visibility_timeout", KOMBU_VISIBILITY_TIMEOUT))


def schemes() -> list[str]:
    """Return what each URL of the broker begins with; nothing if none is known or needed."""
    app = known_carrier()
    if app is None or app.conf.task_always_eager:
        return []
    urls = url_list(app.conf.broker_write_url or app.conf.broker_url)
    # Without "://" nothing tells what of it may be a password.
    return [url.partition("://")[0].partition("+")[0] if "://" in url else "?" for url in urls]


def known_carrier() -> Celery | None:
    try:
        return carrier()
    except ImproperlyConfigured:
        return None
