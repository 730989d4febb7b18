"""A project that sends mail through the queue; a worker's work is done where the test wants it."""

from threading import Thread
from typing import Any

from django.core.mail import EmailMessage
from django.db import connections
from django.test import override_settings

from mailqueue.broker import ringer
from mailqueue.broker.publish import publisher
from mailqueue.broker.queues import mail_queue
from mailqueue.delivery.connections import connections as targets
from mailqueue.demo.sink import Sink
from mailqueue.mail import mailers
from tests.project_app import run_task


def mailers_for(port: int, **options: Any) -> dict[str, Any]:
    """Return MAILERS: a queue before an SMTP server on this machine."""
    retry = {"schedule": [60], "jitter": 0}
    return {
        "default": {
            "BACKEND": "mailqueue.backends.queue.EmailBackend",
            "OPTIONS": {"using": "smtp", "retry": retry} | options,
        },
        "smtp": {
            "BACKEND": "mailqueue.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": port, "timeout": 30},
        },
    }


def message(to: str = "a@example.test") -> EmailMessage:
    return EmailMessage("Hello", "body", "from@example.test", [to])


def in_thread(argument: str) -> Thread:
    """Begin a mail task in a thread, as another worker would."""

    def deliver() -> None:
        try:
            run_task(argument)
        finally:
            targets.close()
            connections.close_all()

    thread = Thread(target=deliver)
    thread.start()
    return thread


class Project:
    """Settings with a queue mailer; used as a context manager."""

    def __init__(self, sink: Sink, queue: str, **options: Any) -> None:
        self.sink = sink
        self.queue = queue
        self.options = options
        self.settings = override_settings(MAILERS=self.mailers())

    def mailers(self, **options: Any) -> dict[str, Any]:
        return mailers_for(self.sink.port, queue=self.queue, **self.options | options)

    def __enter__(self) -> "Project":
        self.settings.enable()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.settings.disable()

    def using(self, **options: Any) -> Any:
        """Change options of the queue mailer for a while."""
        return override_settings(MAILERS=self.mailers(**options))

    def send(self, *messages: EmailMessage) -> int:
        return mailers.default.send_messages(list(messages or [message()]))

    def take(self) -> list[str]:
        """Take all tasks from the broker; return their arguments."""
        found = []
        ringer.flush()
        with publisher().producer() as producer:
            queue = mail_queue(self.queue, quorum=publisher().rabbitmq)(producer.channel)
            while task := queue.get(no_ack=True):
                [[argument], _, _] = task.payload
                found.append(argument)
        return found

    def work(self) -> int:
        """Do the tasks on the broker, and those that come of them; return how many there were."""
        done = 0
        while arguments := self.take():
            for argument in arguments:
                run_task(argument)
            done += len(arguments)
        return done
