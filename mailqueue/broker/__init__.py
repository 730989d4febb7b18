"""The way to the broker: which Celery app carries mail, its queues, publishing, dead letters.

app      the Celery app that carries mail: the project's own, or one made for mail alone
queues   the queues of mail and of dead letters, for each kind of broker
publish  tasks and dead letters to the broker: confirmed, and bounded in time
dead     dead letters, written and read

Beside this room only `bootsteps`, `tasks`, `testing` and `demo` import Celery or kombu.
"""
