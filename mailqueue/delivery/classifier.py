"""The project's own word on what an error of its target means, before ours."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.utils.module_loading import import_string

from mailqueue.delivery.deliver import Classify
from mailqueue.delivery.outcome import Outcomes
from mailqueue.delivery.replies import classify
from mailqueue.options import QueueOptions


def classifier_of(options: QueueOptions) -> Classify:
    """Return what classifies the errors of a mailer's target.

    Raises ValueError for a ``classifier`` that cannot be imported or called.
    """
    if options.classifier is None:
        return classify
    try:
        own = import_string(options.classifier)
    except ImportError:
        own = None
    if not callable(own):
        raise ValueError(
            f"'classifier' must be the dotted path of a function, got {options.classifier!r}"
        )

    def judge(error: BaseException, recipients: Sequence[str], message: EmailMessage) -> Outcomes:
        ours = classify(error, recipients, message)
        try:
            told = own(error, recipients, message) or {}
        except Exception:  # noqa: BLE001 (it was asked about a failure; its own must not lose the mail)
            told = {}
        return {name: told.get(name, outcome) for name, outcome in ours.items()}

    return judge
