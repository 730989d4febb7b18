"""Many mails on their way at once: BDAT waits for nothing (RFC 3030)."""

import smtplib
from collections.abc import Iterable

from mailqueue.smtp.dialogue import RSET, Dialogue
from mailqueue.smtp.pipelining import pipelined
from mailqueue.smtp.transaction import Transaction

# A bigger mail is not written before its recipients are known to be accepted.
LARGE = 256 * 1024


def chunked(
    dialogue: Dialogue, transactions: Iterable[Transaction], *, window: int, alive: bool = False
) -> None:
    """Keep up to `window` mails out without an answer: a fraction of a round trip a mail.

    That many may end as ambiguous when the connection is lost, or an answer is. Unless it is known
    to be `alive`, the first content waits for an answer. Ends early where BDAT is offered and not
    there.
    """
    first = not alive
    for transaction in transactions:
        if transaction.size > LARGE:
            dialogue.settle()
            pipelined(dialogue, [transaction])
            dialogue.settle()
            continue
        transaction.pipelined = True
        for command in transaction.opening():
            dialogue.say(command, transaction)
        waited = first or not dialogue.chunks
        if waited:
            # Before any content goes out: the connection lives, pipelining works, so does BDAT.
            if not dialogue.chunks:
                dialogue.say(transaction.probe(), transaction)
            dialogue.flush()
            dialogue.hear()
            if transaction.unchunked:
                # Nobody knows if it reads what followed the command as the next one.
                raise smtplib.SMTPServerDisconnected("BDAT is offered and not there")
            dialogue.chunks = dialogue.chunks or transaction.probed
            first = False
        if (transaction.accepted or not waited) and transaction.ready():
            dialogue.say(transaction.chunk(), transaction)
        # Whether the mail was taken is not known yet. If its BDAT failed, only RSET makes the
        # state of the server known (RFC 3030 section 2).
        dialogue.say(RSET)
        if dialogue.in_flight >= window:
            dialogue.settle()
