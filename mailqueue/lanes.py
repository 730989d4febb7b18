"""Which mailers queue, and how, as MAILERS says in this process."""

from mailqueue.mail import mailers
from mailqueue.mail.exceptions import InvalidMailer
from mailqueue.options import QueueOptions


def options_of(alias: str) -> QueueOptions:
    """Return the options of the queue mailer `alias`.

    Raises `MailerDoesNotExist` for an unknown alias, `InvalidMailer` for one that does not queue.
    """
    options = getattr(mailers[alias], "options", None)
    if not isinstance(options, QueueOptions):
        raise InvalidMailer("Expected a mailer that queues.", alias=alias)
    return options


def queue_names() -> list[str]:
    """Return the names of all queues that mail travels on; raises `InvalidMailer`."""
    options = (getattr(mailers[alias], "options", None) for alias in mailers)
    return sorted({each.queue for each in options if isinstance(each, QueueOptions)})
