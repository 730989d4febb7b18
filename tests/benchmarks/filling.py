"""Fill the tables of the ledger with as many mails as a busy project has, by PostgreSQL alone."""

from collections.abc import Iterator

QUEUED = "now() - interval '2 hours' - n * interval '2.5 seconds'"


def filling(rows: int, state: str = "'sent'") -> Iterator[str]:
    """Yield the statements; `state` says in SQL what became of the mail of the number ``n``."""
    yield f"""INSERT INTO mailqueue_ledger_entry (id, mailer, state, payload, size, queued_at,
    give_up_at, due_at, finished_at, purge_at, fence, attempts, handed, origin, reason, kind, stage,
    code, enhanced, message_id, recipient, about)
    SELECT md5(n::text), CASE WHEN n % 10 = 0 THEN 'newsletter' ELSE 'default' END, state, '', 0,
    queued_at, NULL, CASE WHEN state = 'deferred' THEN now() + interval '1 hour' END, queued_at,
    CASE WHEN state = 'sent' THEN queued_at + interval '7 days' END, '', 1, 0, '', 'a reason', '',
    '', 550, '5.1.1', '<' || md5(n::text) || '@example.test>',
    md5('x' || n),
    '{{"subject": "Subject ' || n || '", "recipients": ["user' || n || '@example.test"]}}'
    FROM (SELECT n, {state} AS state, {QUEUED} AS queued_at
    FROM generate_series(1, {rows}) AS n) AS mails"""
    yield """INSERT INTO mailqueue_ledger_recipient (digest, entry_id)
    SELECT md5('y' || id), id FROM mailqueue_ledger_entry WHERE mailer = 'newsletter'"""
    yield """INSERT INTO mailqueue_ledger_attempt (entry_id, fence, number, mailer, at, recipients,
    kind, stage, code, enhanced, reason, queue_id)
    SELECT id, '1', 0, mailer, queued_at, 1, CASE state WHEN 'sent' THEN 'sent' WHEN 'dead' THEN
    'permanent' ELSE 'transient' END, 'data', 250, '', '', '' FROM mailqueue_ledger_entry"""
