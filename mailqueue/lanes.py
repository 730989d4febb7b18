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


def queue_mailers() -> dict[str, QueueOptions]:
    """Return the options of all mailers that queue, by alias; raises `InvalidMailer`."""
    options = {alias: getattr(mailers[alias], "options", None) for alias in mailers}
    return {alias: each for alias, each in options.items() if isinstance(each, QueueOptions)}


def queue_names() -> list[str]:
    """Return the names of all queues that mail travels on; raises `InvalidMailer`."""
    return sorted({options.queue for options in queue_mailers().values()})
