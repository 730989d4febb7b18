"""Transactions one after the other: answer by answer, or as many commands at once as may be."""

from collections.abc import Iterable

from mailqueue.outcome.outcome import Stage
from mailqueue.smtp.dialogue import Dialogue
from mailqueue.smtp.reply import Garbled, OutOfStep
from mailqueue.smtp.transaction import Command, Transaction

RSET = Command(Stage.UNKNOWN, b"RSET\r\n")


def lockstep(dialogue: Dialogue, transactions: Iterable[Transaction]) -> None:
    """Wait for the answer to each command: four or more round trips a mail."""
    for transaction in transactions:
        for command in transaction.opening():
            dialogue.ask(command, transaction)
            if not transaction.begun:
                break
        if transaction.accepted:
            dialogue.ask(transaction.data(), transaction)
        if transaction.invited:
            dialogue.ask(transaction.content(), transaction)
        elif transaction.begun:
            dialogue.ask(RSET)


def pipelined(dialogue: Dialogue, transactions: Iterable[Transaction]) -> None:
    """Write MAIL, RCPTs and DATA at once, behind the mail before: a round trip a mail (RFC 2920).

    The answer to DATA must be awaited, so one mail at most is out without an answer.
    """
    before: Transaction | None = None
    for transaction in transactions:
        transaction.pipelined = True
        for command in transaction.opening():
            dialogue.say(command, transaction)
        dialogue.say(transaction.data(), transaction)
        dialogue.flush()
        try:
            dialogue.hear()
        except Garbled:
            raise
        except OutOfStep:
            if before is not None:  # its answer was left out, maybe, and the next one taken for it
                before.take_back()
            raise
        before = transaction if transaction.invited else None
        if transaction.invited:
            dialogue.say(transaction.content(), transaction)
        elif transaction.begun:
            dialogue.say(RSET)
    dialogue.flush()
    dialogue.hear()
