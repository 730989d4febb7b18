"""A site: a project with its broker, its database or none, its relays, and worker processes."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from django.core.mail import EmailMessage
from django.db import connections
from django.test import override_settings
from kombu import Connection
from kombu.transport.native_delayed_delivery import MAX_NUMBER_OF_BITS_TO_USE, level_name

from mailqueue.broker.app import worker_transport_options
from mailqueue.broker.dead import DeadLetter, peek
from mailqueue.broker.publish import publisher
from mailqueue.demo.sink import Sink
from mailqueue.ledger.models import UNFINISHED, Entry, State
from mailqueue.mail import mailers
from tests.chaos.mails import message
from tests.ledger.projects import mailers_for
from tests.procnodes import Process, worker_command
from tests.project_app import project_app
from tests.waiting import until

ROOT = Path(__file__).parents[2]
QUEUE = "mail"
TIMES = {"timeout": 3, "deadline": 3, "final_timeout": 3}
LEASE = 17  # the shortest that workers start with beside these


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What became of the mail of a site."""

    accepted: int
    delivered: int  # recipients who got theirs
    copies: int
    most: int  # copies to one recipient
    dead: int
    broker: int  # messages left
    table: int  # unfinished mails left

    def __str__(self) -> str:
        return ", ".join(f"{name} {getattr(self, name)}" for name in self.__slots__)

    @property
    def second_copies(self) -> int:
        return self.copies - self.delivered


class Site:
    """Sends from this process; `running()` makes it the project here, `worker()` starts one.

    `database` is the alias of the ledger's database, None at the bare level.
    """

    def __init__(self, folder: Path, broker: str, database: str | None) -> None:
        self.folder = folder
        self.broker = broker
        self.database = database
        self.mailers: dict[str, Any] = {}
        self.relays: dict[str, Sink] = {}
        self.celery: dict[str, Any] = {
            "broker_url": broker,
            "broker_connection_retry_on_startup": True,
            "broker_transport_options": worker_transport_options(broker),
        }
        self.accepted = 0
        self.workers: list[Process] = []
        # Where its worker processes find the database, if not where this process does.
        self.database_port: int | None = None

    @property
    def rabbitmq(self) -> bool:
        return self.broker.startswith("amqp")

    def lane(
        self,
        relay: Sink | int,
        name: str = "default",
        smtp: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Add a queue mailer before a relay, or before a port of this machine."""
        if isinstance(relay, Sink):
            self.relays[name] = relay
        port = relay.port if isinstance(relay, Sink) else relay
        retry = {"schedule": [1], "jitter": 0} | options.pop("retry", {})
        level = "database" if self.database else None
        fixed = {"using": f"{name}-smtp", "queue": QUEUE, "ledger": level, "retry": retry}
        made = mailers_for(port, **fixed, **options)
        self.mailers[name] = made["default"]
        made["smtp"]["OPTIONS"] |= TIMES | (smtp or {})
        self.mailers[f"{name}-smtp"] = made["smtp"]

    def visible_again_after(self, seconds: float) -> None:
        """Choose when Redis gives a dead worker's mail to another; RabbitMQ does so at once."""
        if not self.rabbitmq:
            self.celery["broker_transport_options"]["visibility_timeout"] = seconds

    @contextmanager
    def running(self) -> Iterator[Celery]:
        """Make it the project of this process for a while; call it when all is added."""
        with project_app(self.broker) as app, override_settings(MAILERS=self.mailers):
            app.conf.update(self.celery)
            try:
                yield app
            finally:
                for worker in self.workers:
                    worker.remove()

    def send(self, names: Iterable[str], alias: str = "default") -> list[str]:
        """Send one mail to each of `names`; return them."""
        return self.send_messages([message(name) for name in names], alias)

    def send_messages(self, messages: Sequence[EmailMessage], alias: str = "default") -> list[str]:
        accepted = mailers[alias].send_messages(list(messages))
        assert accepted == len(messages)
        self.accepted += accepted
        return [name for each in messages for name in each.to]

    def environment(self) -> dict[str, str]:
        """Return what makes another process one of the site."""
        site: dict[str, Any] = {"MAILERS": self.mailers}
        site |= {f"CELERY_{name.upper()}": value for name, value in self.celery.items()}
        if self.database:
            reach = dict(connections.settings[self.database])
            if self.database_port:
                reach |= {"HOST": "127.0.0.1", "PORT": str(self.database_port)}
            site["DATABASES"] = {"default": reach}
            site["INSTALLED_APPS"] = ["mailqueue", "mailqueue.ledger"]
        return {
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.chaos.project",
            "MAILQUEUE_TEST_SITE": json.dumps(site, default=str),
        }

    def worker(
        self, *, processes: int = 1, queues: str = QUEUE, app: str = "tests.chaos.app"
    ) -> Process:
        """Start a worker; return it when it is ready."""
        name = f"worker{len(self.workers)}"
        command = worker_command(app, "-l", "INFO", "-Q", queues, "-c", str(processes), node=name)
        process = Process(name, command, cwd=self.folder, env=self.environment())
        self.workers.append(process)
        until(lambda: b" ready." in process.logs())
        return process

    def stop(self, timeout: float = 30) -> None:
        """Let all workers end in peace, so that nothing is in their hands."""
        for worker in self.workers:
            if worker.status == "running":
                worker.kill("SIGTERM")
        for worker in self.workers:
            worker.popen.wait(timeout)

    def log(self) -> str:
        """Return what all workers wrote."""
        return "".join(worker.logs().decode(errors="replace") for worker in self.workers)

    # What there is to count.

    def copies(self) -> Counter[str]:
        return sum((relay.copies() for relay in self.relays.values()), Counter[str]())

    def wait_for(self, names: Iterable[str], timeout: float = 120, *, idle: bool = True) -> None:
        """Wait until each of the recipients has a mail; `idle`: until nothing is left to do."""
        wanted = set(names)
        try:
            until(lambda: self.copies().keys() >= wanted, timeout)
            until(lambda: not idle or not (self.table() or self.left()), timeout)
        except AssertionError:
            print(self.counts())
            raise

    def on_queue(self, name: str = QUEUE) -> int:
        """Count the messages on a queue that no worker has in hand."""
        if self.rabbitmq:
            return self.declared(name)
        with redis.Redis.from_url(self.broker) as client:
            return sum(client.llen(each) for each in (name, *client.keys(f"{name}\x06*")))

    def left(self) -> int:
        """Count the messages on the mail queue, also those in the hands of workers of Redis."""
        if self.rabbitmq:
            return self.on_queue()
        with redis.Redis.from_url(self.broker) as client:
            return self.on_queue() + int(client.hlen("unacked"))

    def delayed(self) -> int:
        """Count the messages in the delay queues of RabbitMQ; Redis has none."""
        if not self.rabbitmq:
            return 0
        names = [level_name(level) for level in range(MAX_NUMBER_OF_BITS_TO_USE)]
        return sum(self.declared(name) for name in names)

    def declared(self, name: str) -> int:
        """Ask RabbitMQ how many messages are on a queue; none on one that there is not."""
        with Connection(self.broker) as connection:
            try:
                channel: Any = connection.default_channel
                return int(channel.queue_declare(name, passive=True).message_count)
            except connection.channel_errors:
                return 0

    def dead_letters(self, limit: int = 100_000) -> list[DeadLetter]:
        """Return the dead letters on the broker."""
        return list(peek(publisher(), queue=QUEUE, limit=limit))

    def table(self) -> int:
        return Entry.objects.filter(state__in=UNFINISHED).count() if self.database else 0

    def counts(self) -> Counts:
        copies = self.copies()
        kept = Entry.objects.filter(state=State.DEAD).count() if self.database else 0
        return Counts(
            accepted=self.accepted,
            delivered=len(copies),
            copies=sum(copies.values()),
            most=max(copies.values(), default=0),
            dead=kept + self.on_queue(f"{QUEUE}.dead"),
            broker=self.left(),
            table=self.table(),
        )

    def end(self) -> Counts:
        """Stop all workers; print and return what there is to count."""
        self.stop()
        counts = self.counts()
        print(f"\n    {counts}")
        return counts
