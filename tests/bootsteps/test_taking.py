"""What a worker takes from Redis at once: what waits, as far as it may have it, and noted."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from kombu import Connection, Queue

from mailqueue.bootsteps.inlet_redis import Inlet
from mailqueue.bootsteps.sound import RAW
from mailqueue.bootsteps.taking import LARGE, ROOM, ack_together
from mailqueue.broker.lists import message_on_list
from mailqueue.broker.message import argument_for, argument_of, body_of, headers_of

SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.fixture
def client(own_redis: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own_redis) as client:
        client.flushall()
        yield client


def written(name: str, **how: Any) -> str:
    """Return the message of one mail, as `mailqueue.broker` writes it."""
    priority, eta = how.pop("priority", 0), how.pop("eta", None)
    headers = headers_of(f"id-{name[:9]}", origin='gen1@"host"', eta=eta) | how
    body = body_of(argument_for([name]))
    how = {"queue": "mail", "headers": headers, "priority": priority}
    return message_on_list(body, f"id-{name[:9]}", **how).decode()


def put(client: redis.Redis, *messages: str | bytes, key: str = "mail") -> None:
    for message in messages:
        client.lpush(key, message)


class Worker:
    """A consumer of kombu with the inlet before it, and what it got."""

    def __init__(self, connection: Connection, most: int, prefetch: int, beyond: int) -> None:
        self.connection, self.got = connection, list[Any]()
        self.consumer: Any = connection.Consumer([Queue("mail")], on_message=self.got.append)
        self.consumer.qos(prefetch_count=prefetch)
        self.inlet = Inlet(
            self.consumer.channel, {"mail": most}, self.consumer._receive_callback, lambda: beyond
        )
        self.consumer.consume()

    def read(self) -> list[str]:
        """Let kombu read one answer of Redis; return the names of the mails that came of it."""
        had = len(self.got)
        self.connection.drain_events(timeout=10)
        return [name_of(each) for each in self.got[had:]]


def name_of(message: Any) -> str:
    [name] = json.loads(argument_of(message.body, longest=LARGE))
    return str(name)


@contextmanager
def worker(
    url: str, *, most: int = 10, prefetch: int = 4, beyond: int = 0, **options: Any
) -> Iterator[Worker]:
    with Connection(url, transport_options=options) as connection:
        yield Worker(connection, most, prefetch, beyond)


def test_what_waits_comes_together_as_far_as_the_worker_may_have_it(own_redis, client) -> None:
    put(client, *map(written, "abcdef"))
    with worker(own_redis, prefetch=4) as one:
        assert one.read() == ["a", "b", "c", "d"]
        assert client.llen("mail") == 2
        assert client.hlen("unacked") == client.zcard("unacked_index") == 4
        assert not one.consumer.channel.qos.can_consume()


@pytest.mark.parametrize(("most", "prefetch", "came"), [(1, 4, 1), (3, 10, 3), (3, 0, 3)])
def test_no_more_than_may_be_one_task(own_redis, client, most, prefetch, came) -> None:
    put(client, *map(written, "abcdef"))
    with worker(own_redis, most=most, prefetch=prefetch) as one:
        assert len(one.read()) == came
        assert client.llen("mail") == 6 - came


def test_no_more_than_a_task_has_room_for(own_redis, client) -> None:
    """A worker without a prefetch count would take a queue into its memory."""
    put(client, *(written("x" * (LARGE // 2)) for _ in range(40)))
    with worker(own_redis, most=1000, prefetch=0) as one:
        one.connection.drain_events(timeout=10)
        assert 10 < len(one.got) <= 1 + ROOM // (LARGE // 2)


def test_a_script_that_is_repeated_takes_nothing_more(own_redis, client, monkeypatch) -> None:
    """redis-py repeats what was not answered in time, where `retry_on_timeout` is set."""
    put(client, *map(written, "abcdef"))
    with worker(own_redis, prefetch=4) as one:
        script = one.inlet.taking.script
        answers: list[Any] = []

        def twice(**given: Any) -> Any:
            answers.extend(script(**given) for _ in range(2))
            return answers[-1]

        monkeypatch.setattr(one.inlet.taking, "script", twice)
        assert one.read() == [*"abcd"]
        assert answers[0] == answers[1]
        assert client.llen("mail") == 2
        assert client.hlen("unacked") == client.zcard("unacked_index") == 4


@pytest.mark.parametrize("asked", [False, True])
def test_a_message_is_noted_though_the_connection_is_cut_meanwhile(
    own_redis, client, monkeypatch, asked
) -> None:
    """It is out of its list, and would be in neither place."""
    put(client, *map(written, "abcdef"))
    with worker(own_redis, prefetch=4) as one:
        script, cut = one.inlet.taking.script, list[bool]()

        def breaks_once(**given: Any) -> Any:
            if cut:
                return script(**given)
            if asked:
                script(**given)
            cut.append(True)
            raise redis.ConnectionError

        monkeypatch.setattr(one.inlet.taking, "script", breaks_once)
        assert one.read() == [*"abcd"]
        assert client.llen("mail") == 2
        assert client.hlen("unacked") == client.zcard("unacked_index") == 4


def test_the_prefetch_count_is_one_of_tasks(own_redis, client) -> None:
    """Three mails in one task leave room for as many as if they were one."""
    put(client, *map(written, "abcdefgh"))
    with worker(own_redis, prefetch=4, beyond=2) as one:
        assert one.read() == [*"abcdef"]
        assert not one.consumer.channel.qos.can_consume()


def test_those_that_end_together_are_noted_no_more(own_redis, client) -> None:
    put(client, *map(written, "abcdef"))
    with worker(own_redis, prefetch=3) as one:
        one.read()
        ack_together(one.got[:2])
        assert client.hlen("unacked") == client.zcard("unacked_index") == 1
        assert one.read() == ["d", "e"]


def test_what_a_worker_leaves_behind_is_put_back_in_its_order(own_redis, client) -> None:
    put(client, *map(written, "abcd"))
    with worker(own_redis, prefetch=3) as one:
        assert one.read() == [*"abc"]
    assert client.hlen("unacked") == 0
    with worker(own_redis, prefetch=1) as one:
        assert sorted(name for _ in range(4) for name in (one.read(), one.got[-1].ack())[0]) == [
            *"abcd"
        ]


def test_of_a_killed_worker_the_others_put_back_each(own_redis, client) -> None:
    """By kombu's own way, once the visibility timeout is over; a second time each comes alone."""
    put(client, *map(written, "abc"))
    with Connection(own_redis) as connection:
        dead = Worker(connection, 10, 4, 0)
        assert dead.read() == [*"abc"]
        dead.consumer.channel.qos._delivered.clear()  # a killed one puts back nothing
        dead.consumer.channel.qos._delivered.restored = True
    client.zadd("unacked_index", dict.fromkeys(client.zrange("unacked_index", 0, -1), 1))
    with worker(own_redis, visibility_timeout=60) as one:
        one.consumer.channel.qos.restore_visible(interval=1)
        assert client.llen("mail") == 3
        seen = [one.read() for _ in range(3)]
    assert sorted(seen) == [["a"], ["b"], ["c"]]
    assert all(message.delivery_info["redelivered"] for message in one.got)


LARGER = written("x" * LARGE)
OTHERS: dict[str, str | bytes] = {
    "one that waits": written("x", eta=SOON),
    "another task": written("x", task="other"),
    "a large one": LARGER,
    "no JSON": b'{"body": "abc\xff',
    "nothing": b"",
    "kombu's own": json.dumps(json.loads(written("x")), indent=1),
    "one with more before": " " + written("x"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_redis_must_not_judge_waits_for_its_own_turn(own_redis, client, kind) -> None:
    put(client, written("a"), written("b"), OTHERS[kind], written("c"))
    with worker(own_redis) as one:
        assert one.read() == ["a", "b"]
        one.connection.drain_events(timeout=10)
        rest = one.got[2:]
        assert len(rest) == 2
        assert name_of(rest[1]) == "c"


def test_a_body_that_is_no_base64_is_set_aside(own_redis, client) -> None:
    broken = json.dumps(json.loads(written("b"))["body"])
    put(client, written("a"), written("b").replace(broken, '"+++=A"'), written("c"))
    with worker(own_redis) as one:
        one.connection.drain_events(timeout=10)
        assert [each.content_type for each in one.got] == [
            "application/json",
            RAW,
            "application/json",
        ]
        assert one.got[1].body == b"+++=A"


def test_urgent_mail_goes_first_and_keeps_its_priority(own_redis, client) -> None:
    put(client, *(written(name, priority=3) for name in "abc"), key="mail\x06\x163")
    put(client, *map(written, "de"))
    with worker(own_redis, prefetch=10) as one:
        assert one.read() == [*"de"]
        assert one.read() == [*"abc"]
        assert [each.properties["priority"] for each in one.got] == [0, 0, 3, 3, 3]


def no_scripts(client: redis.Redis) -> str:
    client.acl_setuser(
        "mail",
        enabled=True,
        passwords=["+secret"],
        keys=["*"],
        channels=["*"],
        commands=["+@all", "-evalsha", "-eval", "-script"],
    )
    return "mail:secret@"


@pytest.mark.parametrize("user", [no_scripts, lambda client: ""], ids=["no scripts", "a prefix"])
def test_where_no_script_can_be_mail_comes_one_by_one(
    own_redis, client, user: Callable[[redis.Redis], str]
) -> None:
    name = user(client)
    options = {} if name else {"global_keyprefix": "shop:"}
    put(client, *map(written, "abc"), key="mail" if name else "shop:mail")
    with worker(own_redis.replace("redis://", f"redis://{name}"), **options) as one:
        assert [one.read() for _ in range(3)] == [["a"], ["b"], ["c"]]
        ack_together(one.got)
    assert client.dbsize() == (0 if name else len(client.keys("shop:_kombu*")))
