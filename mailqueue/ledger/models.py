"""The tables of the ledger: the mails, whom they go to, what was tried, and paused mailers.

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

from typing import Any

from django.db import models

from mailqueue.ledger.fields import Identifier


class State(models.TextChoices):
    """Where a mail is."""

    QUEUED = "queued"  # may be claimed from due_at on
    SENDING = "sending"  # claimed by a worker until due_at
    DEFERRED = "deferred"  # waits until due_at
    SENT = "sent"
    DEAD = "dead"
    CANCELLED = "cancelled"


# What the INSERT of a mail need not name.
BLANK: Any = {"blank": True, "default": "", "db_default": ""}

UNFINISHED = (State.QUEUED, State.SENDING, State.DEFERRED)


class Entry(models.Model):
    """One mail, or what is left of it."""

    id = Identifier(primary_key=True, max_length=64, editable=False)
    mailer = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State.choices)
    # The packed envelope: signed, encrypted if there are keys. Empty once it is not needed.
    payload = models.TextField(blank=True)
    size = models.PositiveIntegerField(default=0)  # characters of the payload
    message_id = models.CharField(max_length=200, blank=True)
    # Subject and recipients, encrypted if there are keys: see `about`. Empty if they are not kept.
    about = models.TextField(blank=True)
    # By whom a mail is found: a keyed hash of its first address. The others are `Recipient`s.
    recipient = models.CharField(max_length=32, blank=True)
    queued_at = models.DateTimeField()
    give_up_at = models.DateTimeField(null=True, blank=True)  # not tried after that
    due_at = models.DateTimeField(null=True, blank=True)  # None: finished
    finished_at = models.DateTimeField(null=True, blank=True)
    purge_at = models.DateTimeField(null=True, blank=True, db_index=True)
    erase_at = models.DateTimeField(null=True, blank=True, db_index=True)  # the payload alone
    # Names the last claim; whoever holds an older one has lost it.
    fence = models.CharField(max_length=32, **BLANK)
    attempts = models.PositiveSmallIntegerField(default=0)  # charged
    handed = models.PositiveSmallIntegerField(default=0, db_default=0)  # claims, outcome unknown
    # Seconds of pauses of its mailer, for which it has not grown older than its payload says.
    held = models.FloatField(default=0.0, db_default=0.0)
    # Of recipients that died apart from the others: the id of the mail that was queued.
    origin = models.CharField(max_length=64, **BLANK)
    # The last outcome that was not success.
    reason = models.CharField(max_length=200, **BLANK)
    kind = models.CharField(max_length=16, **BLANK)
    stage = models.CharField(max_length=16, **BLANK)
    code = models.PositiveSmallIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, **BLANK)

    class Meta:
        verbose_name = "mail"
        indexes = [
            models.Index(fields=["mailer", "due_at"], name="mailqueue_due"),
            models.Index(fields=["message_id"], name="mailqueue_message_id"),
            models.Index(fields=["recipient", "queued_at"], name="mailqueue_recipient"),
            # What people look at: the newest, of all states and of one.
            models.Index(fields=["queued_at"], name="mailqueue_queued"),
            models.Index(fields=["state", "queued_at"], name="mailqueue_state"),
        ]
        permissions = [("read_entry", "Can read mail")]

    def __str__(self) -> str:
        return self.id


class Recipient(models.Model):
    """That a mail goes, or went, to somebody beside its first recipient."""

    pk = models.CompositePrimaryKey("digest", "entry_id")
    digest = models.CharField(max_length=32)
    entry = models.ForeignKey(
        Entry, models.DO_NOTHING, related_name="told_recipients", db_constraint=False
    )

    def __str__(self) -> str:
        return self.entry_id


class Attempt(models.Model):
    """What one attempt came to, for those recipients who fared alike."""

    pk = models.CompositePrimaryKey("entry_id", "fence", "number")
    entry = models.ForeignKey(
        Entry, models.DO_NOTHING, related_name="history", db_constraint=False, db_index=False
    )
    fence = models.CharField(max_length=32)  # of the claim that it was made under
    number = models.PositiveSmallIntegerField()  # among those of the attempt
    mailer = models.CharField(max_length=100)
    at = models.DateTimeField(db_index=True)  # when it was noted, by the clock of the worker
    recipients = models.PositiveIntegerField()  # how many
    kind = models.CharField(max_length=16)
    stage = models.CharField(max_length=16)
    code = models.PositiveSmallIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    queue_id = models.CharField(max_length=100, blank=True)  # the target's own name of the mail

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return self.entry_id


class Pause(models.Model):
    """A mailer whose mails nobody claims until somebody resumes it."""

    mailer = models.CharField(primary_key=True, max_length=100, editable=False)
    since = models.DateTimeField()

    class Meta:
        verbose_name = "paused mailer"

    def __str__(self) -> str:
        return self.mailer
