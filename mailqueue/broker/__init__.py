"""The road to the broker: which Celery app carries mail, its queues, publishing, dead letters.

Together with `mailqueue.tasks` the only room that imports Celery and kombu.
"""
