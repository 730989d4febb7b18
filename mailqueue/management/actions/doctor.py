"""Look for what keeps mail from arriving, and say how to mend it."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailqueue.doctor.diagnosis import diagnose
from mailqueue.doctor.finding import Finding
from mailqueue.management.output import print_json

HELP = "what keeps mail from arriving, and how to mend it"


def arguments(parser: CommandParser) -> None:
    parser.set_defaults(skip_checks=True)  # an error there is a finding, and no end
    parser.add_argument("mailers", nargs="*", metavar="MAILER", help="these; all by default")
    parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")
    parser.add_argument(
        "--no-probe",
        action="store_false",
        dest="probe",
        help="only look: publish no task, write no file, connect to no mail server",
    )


def run(
    command: BaseCommand,
    *,
    mailers: list[str] | None = None,
    as_json: bool = False,
    probe: bool = True,
    **options: Any,
) -> None:
    """Print findings as they come; status 1 for any, 2 where a part could not be asked."""
    found: list[Finding] = []
    try:
        for finding in diagnose(mailers or (), probe=probe):
            found.append(finding)
            if not as_json:
                show(command, finding)
    except ImproperlyConfigured as error:
        raise CommandError(str(error), returncode=2) from None
    if as_json:
        print_json(command.stdout, [each.as_data() for each in found])
    if found:
        raise CommandError(f"Findings: {len(found)}", returncode=2 if unasked(found) else 1)
    if not as_json:
        command.stdout.write("Nothing is wrong.")


def show(command: BaseCommand, finding: Finding) -> None:
    command.stdout.write(f"{finding.about}: {finding.problem} ({finding.id})")
    if finding.cure:
        command.stdout.write(f"    {finding.cure}")


def unasked(found: list[Finding]) -> bool:
    return any(each.unasked for each in found)
