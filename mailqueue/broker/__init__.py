"""The way to the broker: which Celery app carries mail, its queues, publishing, dead letters.

app      the Celery app that carries mail: the project's own, or one made for mail alone
queues   the queues of mail and of dead letters, for each kind of broker
message  the message of a mail task, built whole and read here alone
lists    how a message is written to a list of Redis
sender   connections that are kept, and what it takes to send one message on them
delay    mail that has to wait on RabbitMQ
publish  tasks and dead letters to the broker: confirmed, and bounded in time
bell     the doorbell of the ledger
ringer   the thread that rings for those who send
eager    Celery's eager mode: one attempt in the caller, and no queue
dead     dead letters, written and read
looking  what a broker says of itself and of our queues
workers  what workers say of themselves
pauses   mailers that are paused, where no table says so
support  which brokers carry mail, and whether the one that is set does

Beside this room only `bootsteps`, `tasks`, `testing` and `demo` import Celery or kombu.
"""
