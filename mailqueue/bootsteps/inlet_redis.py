"""What a worker takes from the mail queues in Redis, before Celery has it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from kombu.transport.virtual import QoS
from redis.exceptions import ResponseError

from mailqueue.bootsteps.sound import sound
from mailqueue.bootsteps.taking import Taking
from mailqueue.log import logger


class Inlet:
    """Between kombu's channel and Redis; lets it see only sound messages of the mail queues.

    ``most`` says by queue how many messages may be taken together; ``receive`` takes those that
    came with the one that kombu has asked for; ``beyond`` says how many more messages than tasks
    are in hand: the prefetch count is one of tasks.
    """

    def __init__(
        self,
        channel: Any,
        most: Mapping[str, int],
        receive: Callable[[Any], object],
        beyond: Callable[[], int] = lambda: 0,
    ) -> None:
        self.channel, self.most, self.receive, self.beyond = channel, most, receive, beyond
        # kombu puts a prefix before one key of a script, and ours has three.
        self.taking = None if channel.global_keyprefix else Taking(channel)
        self.key, self.text = "", b""  # of the list that the last message came from, and its own
        self.behind: list[Any] = []
        self._parse, channel.client.parse_response = channel.client.parse_response, self.parse
        self._note, channel.qos.append = channel.qos.append, self.note
        self._read, channel.handlers["BRPOP"] = channel.handlers["BRPOP"], self.read
        self._may, channel.qos.can_consume = channel.qos.can_consume, self.can_consume

    def parse(self, connection: Any, command_name: str, **options: Any) -> Any:
        """Return what Redis says; of a mail queue what kombu can read."""
        found = self._parse(connection, command_name, **options)
        if command_name == "BRPOP" and found:
            key, item = found
            self.key = key.decode(errors="replace")
            queue = self.key.rsplit(self.channel.sep, 1)[0]
            if queue in self.most:
                self.text = sound(item, queue)
                return key, self.text
        return found

    def note(self, message: Any, tag: str) -> None:
        """Note a message that this worker has taken, and take those behind it along."""
        if message.delivery_info["routing_key"] not in self.most:
            self._note(message, tag)
        elif self.takes_along(message):
            for each in (message, *self.behind):
                QoS.append(self.channel.qos, each, each.delivery_tag)
        else:
            try:
                self._note(message, tag)
            except ResponseError as error:
                # It is out of its list already, so this worker is the last that has it.
                QoS.append(self.channel.qos, message, tag)
                logger.error(
                    "Redis did not note a message that this worker took: %s. It is lost if the "
                    "worker ends before it is delivered.",
                    type(error).__name__,
                )

    def can_consume(self) -> bool:
        """Tell whether the worker may have one message more."""
        return bool(self._may()) or (self.beyond() > 0 and self.free() > 0)

    def free(self) -> float:
        """Return how many messages the worker may have, beside those that it has."""
        qos = self.channel.qos
        in_hand = len(qos._delivered) - len(qos._dirty) - self.beyond()
        return (qos.prefetch_count or math.inf) - in_hand

    def takes_along(self, message: Any) -> bool:
        """Have a message noted with those behind it; return False where that cannot be."""
        if self.taking is None:
            return False
        most = min(self.most[message.delivery_info["routing_key"]], self.free())
        try:
            self.behind = self.taking.take(message, self.text, self.key, max(0, int(most) - 1))
        except ResponseError:
            self.taking = None  # a user, or a server, without scripts; or full, as kombu will see
        return self.taking is not None

    def read(self, **options: Any) -> Any:
        """Read a message as kombu does, and hand on those that came with it."""
        try:
            return self._read(**options)
        finally:
            self.text = b""  # it may be large
            while self.behind:
                self.receive(self.behind.pop(0))
