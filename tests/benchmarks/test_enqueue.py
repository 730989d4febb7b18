"""What queueing costs the sender, on a running broker."""

import time
from typing import Any

import pytest
from celery import Celery, _state
from kombu.utils.url import maybe_sanitize_url

from mailqueue.broker.publish import publisher_of
from mailqueue.mail import EmailMessage, mailers

MAILS = 1000


@pytest.mark.parametrize("batch_size", [1, 10, 100])
def test_queueing(broker_url: str, queue: str, batch_size: int, settings: Any) -> None:
    backend = "mailqueue.backends.queue.EmailBackend"
    options = {"using": "smtp", "queue": queue, "batch_size": batch_size, "ledger": None}
    settings.MAILERS = {
        "default": {"BACKEND": backend, "OPTIONS": options},
        "smtp": {"BACKEND": "mailqueue.backends.smtp.EmailBackend", "OPTIONS": {"host": "x"}},
    }
    app = Celery("bench", broker=broker_url, set_as_current=False)
    before = _state.get_current_app()
    app.set_current()
    messages = [
        EmailMessage(f"Subject {number}", "Text.\n" * 100, "from@example.test", ["to@example.test"])
        for number in range(MAILS)
    ]
    try:
        mailers.default.send_messages(messages[:1])
        began = time.perf_counter()
        mailers.default.send_messages(messages)
        each = (time.perf_counter() - began) / MAILS
    finally:
        publisher_of(app).close()
        app.close()
        _state._set_current_app(before)
    print(
        f"\n{maybe_sanitize_url(broker_url)} batch_size {batch_size}: {1000 * each:.2f} ms a mail"
    )
