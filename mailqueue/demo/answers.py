"""What an SMTP server on loopback can be told to answer; see `mailqueue.demo.sink`."""

import dataclasses
import threading
from typing import Literal

# Close the connection instead of answering.
DROP = "drop"
# After the final dot: keep the mail, but close the connection instead of answering 250.
KEEP_AND_DROP = "keep and drop"

Stage = Literal["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "DOT"]


class Stall:
    """An answer that does not come until `release` is called; after it the next one counts."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def release(self) -> None:
        self.released.set()


@dataclasses.dataclass(kw_only=True, slots=True)
class Answer:
    stage: Stage
    reply: str | Stall
    to: str | None
    times: float
