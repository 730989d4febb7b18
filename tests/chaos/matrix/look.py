"""What is left in a project with mailqueue, as JSON: dead letters, and the ledger's doubts.

python -m tests.chaos.matrix.look QUEUE
"""

import dataclasses
import json
import sys
from typing import Any

import django
from django.conf import settings


def main(queue: str) -> None:
    django.setup()
    from mailqueue.broker.dead import peek
    from mailqueue.broker.publish import publisher
    from tests.letters import letters_of

    letters = [dataclasses.asdict(each) for one in peek(publisher(), queue=queue)
               for each in letters_of(one)]  # fmt: skip
    if "mailqueue.ledger" in settings.INSTALLED_APPS:
        letters += in_table()
    print(json.dumps(letters))


def in_table() -> list[dict[str, Any]]:
    from mailqueue.ledger.models import Entry, State
    from tests.letters import letters_in

    return [dataclasses.asdict(each) for row in Entry.objects.filter(state=State.DEAD)
            for each in letters_in(row)]  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
