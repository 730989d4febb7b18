"""Django's command of this name, with the option --using that it has from 6.1."""

import socket
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import sendtestemail
from django.utils import timezone

from mailqueue.mail import mail_admins, mail_managers, send_mail


class Command(sendtestemail.Command):
    """Send a test message through a mailer of MAILERS."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what Django's command takes, and --using."""
        super().add_arguments(parser)
        if "--using" not in parser._option_string_actions:
            parser.add_argument(
                "--using",
                help="Specify the MAILERS alias to use for sending the test email. "
                "Defaults to 'default'.",
            )

    def handle(self, *args: Any, using: str | None = None, **options: Any) -> None:
        """Send to the addresses given, to the managers and to the admins, as asked."""
        subject = f"Test email from {socket.gethostname()} on {timezone.now()}"
        send_mail(
            subject,
            "If you're reading this, it was successful.",
            None,
            options["email"],
            using=using,
        )
        if options["managers"]:
            mail_managers(subject, "This email was sent to the site managers.", using=using)
        if options["admins"]:
            mail_admins(subject, "This email was sent to the site admins.", using=using)
