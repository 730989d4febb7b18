"""What an operator asks and does: at each level, as far as it can know.

letters   the dead letters of all queues on the broker
overview  what is queued for each mailer, and how old the oldest of it is
listing   mails as facts: where each is, and why
story     one mail: whom it goes to, and what each attempt came to
requeue   dead letters, queued anew
discard   dead letters, deleted
forget    somebody's address, erased
"""
