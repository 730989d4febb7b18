"""The one table of the database level."""

from django.db import models


class State(models.TextChoices):
    """Where a mail is.

    queued -> sending -> sent | deferred -> queued ... | dead | cancelled; dead -> queued.
    `docs/explanation/architecture.md` draws it, with the methods that lead from one to the next.
    """

    QUEUED = "queued"  # published, or about to be
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
    queued_at = models.DateTimeField()
    # Publish again if not finished by then: one time for lost publishes, retries, dead workers.
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    purge_at = models.DateTimeField(null=True, blank=True, db_index=True)
    # Names the last claim; whoever holds an older one has lost it.
    fence = models.CharField(max_length=32, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # charged, the present one included
    published = models.PositiveSmallIntegerField(default=0)  # again, since the last claim
    claims = models.PositiveSmallIntegerField(default=0)  # since the last outcome
    handed = models.PositiveSmallIntegerField(default=0)  # to a target, with unknown outcome
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

    def __str__(self) -> str:
        return self.id
