"""What many projects write by themselves: a task for each mail, acknowledged late, that retries.

It is here to be caught.
"""

from typing import Any

from celery import Task, shared_task
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend as Smtp

FIELDS = ("subject", "body", "from_email", "to", "bcc", "cc")


class EmailBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Any) -> int:
        for each in email_messages:
            fields = {name: getattr(each, name) for name in FIELDS}
            deliver.delay(fields, [tuple(part) for part in each.attachments])
        return len(email_messages)


@shared_task(bind=True, name="plain.deliver", acks_late=True, max_retries=None)
def deliver(self: Task, fields: dict[str, Any], attachments: list[Any]) -> None:
    message = EmailMessage(**fields, attachments=[tuple(part) for part in attachments])
    try:
        relay().send_messages([message])
    except Exception as error:
        raise self.retry(exc=error, countdown=1) from error


def relay() -> Any:
    if hasattr(mail, "mailers"):
        return mail.mailers["smtp"]
    return Smtp(host="127.0.0.1", port=settings.RELAY_PORT, timeout=10)
