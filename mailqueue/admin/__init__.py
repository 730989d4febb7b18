"""The ledger in Django's admin, which finds this package in the app ``mailqueue``.

mails      the list, and what may be done where
columns    what the list says of a mail
filters    state, mailer, age
pages      pages without a count of all rows
searching  by id, Message-ID, recipient and subject
acting     requeue, cancel and discard, as the commands of these names do
actions    the same for what somebody has chosen, with a question and a message
detail     the page of one mail: facts, attempts, the parts that died apart
content    a payload as text, HTML, headers and attachments
reading    the views that show content, and note who has read it
overview   the page of all mailers
traffic    what attempts came to, hour by hour or day by day
"""

from mailqueue.ledger.selection import is_installed

if is_installed():
    from mailqueue.admin import mails  # noqa: F401 (it registers itself)
