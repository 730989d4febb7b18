"""A mail task in the hands of a worker, as Celery shows it: in its log, and to ``inspect``."""

from typing import Any

from celery.worker import request
from kombu import Message

from mailqueue.broker.message import EMBEDDED
from mailqueue.opaque import Opaque


class MailMessage(Message):
    """The message of a mail task, read already; whoever prints it, or its body, shows no mail."""

    def __init__(self, argument: str, *more: str, **options: Any) -> None:
        self.argument = Opaque(argument)
        body: Any = [self.argument, *map(Opaque, more)], {}, EMBEDDED
        super().__init__(body=body, **options)

    @property
    def payload(self) -> Any:
        return self.body


class Request(request.Request):
    """A request that shows no argument: that is the mail itself.

    Celery logs the body on its way to the pool (``--loglevel DEBUG``), and would unpack bytes.
    """

    def __init__(self, message: Message, **options: Any) -> None:
        options["decoded"] = isinstance(message, MailMessage)
        super().__init__(message, **options)

    def info(self, safe: bool = False) -> Any:
        """Return what is shown, always the safe way."""
        return super().info(safe=True)
