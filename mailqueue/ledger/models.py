"""The one table of the ledger.

                    claim            outcome
    record --> queued ------> sending ------> sent | dead
                 ^  ^           |   |
                 |  |  released |   | to be tried again
                 |  +-----------+   v
                 +-------------- deferred         cancelled <-- queued | deferred
                      due

A row is due when its ``due_at`` has come, whatever it waits for: a first attempt, the next one,
its ``send_at``, or the end of a lease whose worker died. dead --> queued by requeue.
"""

from django.db import models


class State(models.TextChoices):
    """Where a mail is."""

    QUEUED = "queued"  # may be claimed from due_at on
    SENDING = "sending"  # claimed by a worker until due_at
    DEFERRED = "deferred"  # waits until due_at
    SENT = "sent"
    DEAD = "dead"
    CANCELLED = "cancelled"


UNFINISHED = (State.QUEUED, State.SENDING, State.DEFERRED)


class Entry(models.Model):
    """One mail, or what is left of it."""

    id = models.CharField(primary_key=True, max_length=64, editable=False)
    mailer = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State.choices)
    # The packed envelope: signed, encrypted if there are keys. Empty once it is not needed.
    payload = models.TextField(blank=True)
    size = models.PositiveIntegerField(default=0)  # characters of the payload
    queued_at = models.DateTimeField()
    give_up_at = models.DateTimeField(null=True, blank=True)  # not tried after that
    due_at = models.DateTimeField(null=True, blank=True)  # None: finished
    finished_at = models.DateTimeField(null=True, blank=True)
    purge_at = models.DateTimeField(null=True, blank=True, db_index=True)
    # Names the last claim; whoever holds an older one has lost it.
    fence = models.CharField(max_length=32, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # charged
    handed = models.PositiveSmallIntegerField(default=0)  # claims without a known outcome
    # Of recipients that died apart from the others: the id of the mail that was queued.
    origin = models.CharField(max_length=64, blank=True)
    # The last outcome that was not success.
    reason = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=16, blank=True)
    stage = models.CharField(max_length=16, blank=True)
    code = models.PositiveSmallIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, blank=True)

    class Meta:
        verbose_name = "mail"
        indexes = [models.Index(fields=["mailer", "due_at"], name="mailqueue_due")]

    def __str__(self) -> str:
        return self.id
