"""The windows in which a second copy is allowed, in the words of the page of guarantees."""

from enum import StrEnum


class Window(StrEnum):
    """Why a second copy may come."""

    ANSWER = "the server's answer to the whole message is lost"
    ENDED = "a worker is killed, or ended by an exception, between handing over a window and noting"
    AWAY = "whose database stays away for longer"
    STOPPED = "a worker is stopped, or its machine sleeps, until after the end of its lease"
    KILLED = "after the mail server took a mail and before the task is acknowledged"
    LIMIT = "a task comes to a soft time limit while the answer to a mail is outstanding"
    CUT = "the connection to the broker breaks while a worker has a batch"
    VISIBLE = "a batch takes longer than the visibility timeout"
    REJECTED = "the broker is away for more than ten minutes when a batch is over"
    PUBLISHED = "a worker publishes a next attempt, and the broker's answer is lost"
