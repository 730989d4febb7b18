"""Transactions one after the other: answer by answer, or as many commands at once as may be."""

from collections.abc import Iterable

from mailqueue.smtp.dialogue import RSET, Dialogue
from mailqueue.smtp.transaction import Transaction


def lockstep(dialogue: Dialogue, transactions: Iterable[Transaction]) -> None:
    """Wait for the answer to each command: four or more round trips a mail."""
    for transaction in transactions:
        for command in transaction.opening():
            dialogue.ask(command, transaction)
            if not transaction.begun:
                break
        if transaction.accepted and transaction.ready():
            dialogue.ask(transaction.data(), transaction)
        if transaction.invited:
            dialogue.ask(transaction.content(), transaction)
        elif transaction.begun:
            dialogue.ask(RSET)


def pipelined(dialogue: Dialogue, transactions: Iterable[Transaction]) -> None:
    """Write MAIL, RCPTs and DATA at once, behind the mail before: a round trip a mail (RFC 2920).

    The answer to DATA must be awaited, so one mail at most is out without an answer.
    """
    for transaction in transactions:
        if not transaction.ready():
            continue
        transaction.pipelined = True
        for command in transaction.opening():
            dialogue.say(command, transaction)
        dialogue.say(transaction.data(), transaction)
        dialogue.flush()
        dialogue.hear()
        if transaction.invited:
            dialogue.say(transaction.content(), transaction)
        elif transaction.begun:
            dialogue.say(RSET)
