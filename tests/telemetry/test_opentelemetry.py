"""The spans of a mail, from who queued it to the answer of the target."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from mailqueue import signals, tracing
from mailqueue.mail import mailers
from mailqueue.opentelemetry import spans
from mailqueue.opentelemetry.apps import OpenTelemetryConfig
from mailqueue.wire.envelope import Envelope, fresh, pack, unpack
from mailqueue.wire.signature import keys_from_settings
from tests import canaries
from tests.canaries import BODY, RECIPIENT, SUBJECT, found
from tests.project_app import project_app, run_task
from tests.worker.project import project_settings, queued

pytestmark = [pytest.mark.broker, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def broker_url(redis_url: str) -> str:
    return redis_url


@pytest.fixture(autouse=True)
def following() -> Iterator[None]:
    """Follow mail as a process does that has the app; no SDK is set up yet."""
    spans.begin()
    spans.begin()  # once more changes nothing
    yield
    tracing.follow(None)
    signals.attempted.disconnect(spans.attempted)
    tracing.tell_fault.cache_clear()


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider()


@pytest.fixture
def exporter(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Set an SDK up."""
    made = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(made))
    monkeypatch.setattr(spans, "tracer", provider.get_tracer("mailqueue"))
    return made


@pytest.fixture(params=["database", None])
def project(request: pytest.FixtureRequest, broker_url: str, queue: str, sink) -> Iterator[str]:
    retry = {"schedule": [60], "jitter": 0}
    options = {"ledger": request.param, "retry": retry}
    with project_app(broker_url), project_settings(queue, sink.port, **options):
        yield queue


@pytest.fixture
def bare(broker_url: str, queue: str, sink) -> Iterator[str]:
    with project_app(broker_url), project_settings(queue, sink.port):
        yield queue


def send(*to: str) -> None:
    mailers.default.send_messages([EmailMessage("Hello", "body", "me@example.test", list(to))])


def envelope_in(task: str) -> Envelope:
    [text] = json.loads(task)
    return unpack(text, keys_from_settings())


def again(task: str, **changes: Any) -> str:
    """Return the task of the next attempt."""
    envelope = dataclasses.replace(envelope_in(task), due_at=None, **changes)
    return json.dumps([pack(envelope, keys_from_settings())])


def finished(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    spans = list(exporter.get_finished_spans())
    exporter.clear()
    return spans


def test_the_first_attempt_is_in_the_trace_of_the_caller(project, exporter, provider) -> None:
    with provider.get_tracer("shop").start_as_current_span("order"):
        send("a@example.test")
    run_task(queued(project))
    create, order, process = finished(exporter)
    assert create.parent.span_id == order.context.span_id
    assert process.parent.span_id == create.context.span_id
    assert process.parent.is_remote
    assert (create.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert (create.name, process.name) == ("create default", "process default")
    assert order.start_time <= create.start_time <= create.end_time <= order.end_time
    assert create.end_time <= process.start_time <= process.end_time
    name = create.attributes["messaging.message.id"]
    assert dict(create.attributes) == {
        "messaging.system": "mailqueue",
        "messaging.operation.name": "create",
        "messaging.operation.type": "create",
        "messaging.destination.name": "default",
        "messaging.message.id": name,
    }
    told = {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "mailqueue.attempts": 1,
        "mailqueue.kind": "sent",
        "mailqueue.stage": "accepted",
        "mailqueue.code": 250,
    }
    got = dict(process.attributes)
    assert got == dict(create.attributes) | told | {
        key: got[key] for key in ("mailqueue.enhanced", "mailqueue.queue_id") if key in got
    }
    assert process.status.status_code is StatusCode.UNSET


def test_a_later_attempt_is_linked_and_has_a_trace_of_its_own(bare, exporter, sink) -> None:
    sink.answer("RCPT", "451 4.7.1 greylisted", to="a@example.test")
    send("a@example.test")
    run_task(queued(bare))
    run_task(again(queued(bare)))
    create, first, second = finished(exporter)
    assert first.parent.span_id == create.context.span_id
    assert first.status.status_code is StatusCode.ERROR
    assert first.status.description is None
    assert first.attributes["error.type"] == "transient"
    assert (first.attributes["mailqueue.code"], first.attributes["mailqueue.enhanced"]) == (
        451,
        "4.7.1",
    )
    assert second.parent is None
    assert [link.context.span_id for link in second.links] == [create.context.span_id]
    assert second.attributes["mailqueue.attempts"] == 2


def test_the_span_around_the_work_of_a_worker_is_linked(bare, exporter, provider, sink) -> None:
    sink.answer("RCPT", "451 4.7.1 greylisted", to="a@example.test")
    tracer = provider.get_tracer("celery")
    send("a@example.test")
    with tracer.start_as_current_span("run"):
        run_task(queued(bare))
    with tracer.start_as_current_span("run"):
        run_task(again(queued(bare)))
    create, first, run, second, rerun = finished(exporter)
    assert [link.context.span_id for link in first.links] == [run.context.span_id]
    assert second.parent.span_id == rerun.context.span_id
    assert [link.context.span_id for link in second.links] == [create.context.span_id]


def test_recipients_who_fared_differently_are_one_attempt(project, exporter, sink) -> None:
    sink.answer("RCPT", "550 5.1.1 unknown", to="gone@example.test")
    send("a@example.test", "gone@example.test", "gone@example.test")
    run_task(queued(project))
    _, process = finished(exporter)
    assert process.attributes["error.type"] == "permanent"


def test_a_mail_that_was_not_tried_has_no_attempt(bare, exporter) -> None:
    send("a@example.test")
    run_task(again(queued(bare), expires_at=1.0))
    assert [span.name for span in finished(exporter)] == ["create default"]


def test_mail_of_a_sender_who_follows_nothing_is_followed_from_the_worker_on(
    bare, exporter
) -> None:
    tracing.follow(None)
    send("a@example.test")
    run_task(queued(bare))
    [process] = finished(exporter)
    assert process.parent is None
    assert process.links == ()


def test_a_mail_without_a_trace_is_in_that_of_the_work_around_it(bare, exporter, provider) -> None:
    tracing.follow(None)
    send("a@example.test")
    with provider.get_tracer("celery").start_as_current_span("run"):
        run_task(queued(bare))
    process, run = finished(exporter)
    assert process.parent.span_id == run.context.span_id
    assert process.links == ()


def test_a_span_lasts_as_long_as_its_attempt(exporter) -> None:
    facts = {"kind": "sent", "traceparent": None, "attempts": 1}
    spans.attempted(mailer="m", id="7", began_at=100.5, seconds=2.25, **facts)
    [span] = finished(exporter)
    assert (span.start_time, span.end_time) == (100_500_000_000, 102_750_000_000)


def test_what_is_not_sampled_is_not_sampled_in_the_worker(bare, exporter, monkeypatch) -> None:
    off = TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    with monkeypatch.context() as patch:
        patch.setattr(spans, "tracer", off.get_tracer("mailqueue"))
        send("a@example.test")
    task = queued(bare)
    assert int(envelope_in(task).traceparent[-2:], 16) % 2 == 0
    run_task(task)
    assert finished(exporter) == []


def test_without_an_sdk_nothing_travels_and_mail_is_sent(bare, sink) -> None:
    send("a@example.test")
    task = queued(bare)
    assert envelope_in(task).traceparent is None
    run_task(task)
    assert len(sink.mails) == 1


class Broken(SpanProcessor):
    def on_start(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError(RECIPIENT)


def test_a_tracer_that_fails_costs_no_mail(bare, exporter, provider, sink, caplog) -> None:
    provider.add_span_processor(Broken())
    send("a@example.test")
    send("a@example.test")
    for _ in range(2):
        run_task(queued(bare))
    assert len(sink.mails) == 2
    assert caplog.text.count("Mail is queued without a trace: RuntimeError.") == 1


@pytest.mark.parametrize("text", ["", "nonsense", "01-" + "a" * 32 + "-" + "b" * 16 + "-01"])
def test_what_no_worker_would_read_does_not_travel(bare, text) -> None:
    tracing.follow(lambda **facts: text)
    send("a@example.test")
    assert envelope_in(queued(bare)).traceparent is None


def test_mail_that_is_queued_anew_has_no_trace(bare, exporter) -> None:
    send("a@example.test")
    envelope = envelope_in(queued(bare))
    assert envelope.traceparent
    assert fresh(envelope, now=1.0).traceparent is None


def test_no_canary_is_in_a_span(project, exporter, sink) -> None:
    sink.answer("RCPT", f"550 5.1.1 <{RECIPIENT}> {SUBJECT} {BODY}", to=RECIPIENT)
    canaries.message().send()
    with pytest.raises(ValueError, match="line"):
        canaries.message_of_two_lines().send()
    run_task(queued(project))
    seen = finished(exporter)
    assert [span.name for span in seen] == ["create default", "process default"]
    assert found(" ".join(span.to_json() for span in seen)) == set()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mailqueue.opentelemetry.spans")
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)
    app = OpenTelemetryConfig("mailqueue.opentelemetry", sys.modules["mailqueue.opentelemetry"])
    with pytest.raises(ImproperlyConfigured, match=r"mailqueue\[opentelemetry\]"):
        app.ready()
