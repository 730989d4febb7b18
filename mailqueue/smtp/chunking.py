"""Many mails on their way at once: BDAT waits for nothing (RFC 3030)."""

from collections.abc import Iterable

from mailqueue.smtp.dialogue import Dialogue
from mailqueue.smtp.pipelining import RSET, pipelined
from mailqueue.smtp.transaction import Transaction

# A bigger mail is not written before its recipients are known to be accepted.
LARGE = 256 * 1024


def chunked(dialogue: Dialogue, transactions: Iterable[Transaction], *, window: int) -> None:
    """Keep up to `window` mails out without an answer: a fraction of a round trip a mail.

    That many may end as ambiguous when the connection is lost.
    """
    for number, transaction in enumerate(transactions):
        while dialogue.in_flight >= window:
            dialogue.flush()
            dialogue.hear(down_to=len(dialogue.awaited) - 1)
            dialogue.hear_present()
        # Whether the mail before was taken is not known yet. If its BDAT failed, only RSET makes
        # the state of the server known (RFC 3030 section 2).
        dialogue.say(RSET)
        if transaction.size > LARGE:
            pipelined(dialogue, [transaction])
            continue
        transaction.pipelined = True
        for command in transaction.opening():
            dialogue.say(command, transaction)
        if number == 0:
            # Once, before any content goes out: the connection lives, and pipelining works.
            dialogue.flush()
            dialogue.hear()
        if number or transaction.accepted:
            dialogue.say(transaction.chunk(), transaction)
    dialogue.flush()
    dialogue.hear()
