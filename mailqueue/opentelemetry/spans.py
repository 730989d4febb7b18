"""The spans of a mail: one when it is queued, one for each attempt to deliver it.

The names of attributes are those of OpenTelemetry's semantic conventions for messaging; what only
mail has is under ``mailqueue``. None holds content or an address.
"""

from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mailqueue import signals
from mailqueue.outcome.outcome import Kind
from mailqueue.tracing import follow

# W3C's, whatever the project uses between its services: it travels in our own envelope.
w3c = TraceContextTextMapPropagator()
tracer = trace.get_tracer("mailqueue")

Attributes = dict[str, str | int]


def begin() -> None:
    """Follow mail from now on; once more changes nothing."""
    follow(queued)
    signals.attempted.connect(attempted)


def queued(*, mailer: str, id: str, began_at: float) -> str | None:  # noqa: A002 (the fact's name)
    """Note that a mail was made for the queue; return the context that it carries."""
    span = tracer.start_span(
        f"create {mailer}",
        kind=SpanKind.PRODUCER,
        start_time=nanoseconds(began_at),
        attributes=attributes("create", mailer, id),
    )
    span.end()
    carried: dict[str, str] = {}
    w3c.inject(carried, trace.set_span_in_context(span))
    return carried.get("traceparent")


def attempted(
    *,
    mailer: str,
    id: str,  # noqa: A002
    attempts: int,
    began_at: float,
    seconds: float,
    kind: str,
    traceparent: str | None,
    **facts: object,
) -> None:
    """Note an attempt: the first one as a part of the trace that queued the mail.

    Later ones, which may come days after it, are linked to it, and so is the span around them:
    that of a Celery task, if the project has these followed.
    """
    around = trace.get_current_span().get_span_context()
    origin = origin_of(traceparent)
    joins = origin.is_valid and attempts <= 1
    span = tracer.start_span(
        f"process {mailer}",
        context=within(origin) if joins else None,
        kind=SpanKind.CONSUMER,
        start_time=nanoseconds(began_at),
        links=[Link(each) for each in [around if joins else origin] if each.is_valid],
        attributes=attributes("process", mailer, id)
        | {f"mailqueue.{name}": value for name, value in told(kind=kind, **facts)}
        | {"mailqueue.attempts": attempts},
    )
    if kind != Kind.SENT:
        span.set_attribute("error.type", kind)
        span.set_status(Status(StatusCode.ERROR))
    span.end(end_time=nanoseconds(began_at + seconds))


def told(**facts: object) -> Iterator[tuple[str, str | int]]:
    """Yield what a target told: outcome, codes, and the name that it gave the mail."""
    for name in ("kind", "stage", "code", "enhanced", "queue_id"):
        if isinstance(value := facts.get(name), str | int):
            yield name, value


def attributes(operation: str, mailer: str, id: str) -> Attributes:  # noqa: A002
    """Return what each span says: which mail it is, and what is done with it."""
    return {
        "messaging.system": "mailqueue",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": mailer,
        "messaging.message.id": id,
    }


def origin_of(traceparent: str | None) -> SpanContext:
    """Return the context that a mail carries; one that is not valid for none."""
    carried = {"traceparent": traceparent} if traceparent else {}
    return trace.get_current_span(w3c.extract(carried, Context())).get_span_context()


def within(origin: SpanContext) -> Context:
    return trace.set_span_in_context(trace.NonRecordingSpan(origin), Context())


def nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
