"""The broker: does it answer, does it keep what it takes, and are our queues as they must be?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mailqueue.broker.looking import Standing, dead_standing, mail_standing, reach, redis_facts
from mailqueue.broker.publish import Publisher, publisher
from mailqueue.broker.queues import dead_name
from mailqueue.broker.support import is_redis
from mailqueue.delivery.times import longest_of
from mailqueue.doctor.finding import Finding
from mailqueue.errors import PublishError
from mailqueue.lanes import Lane

CONSUMER_TIMEOUT = 1800.0  # RabbitMQ's default, in seconds; what it is set to cannot be asked


def look(lanes: Sequence[Lane]) -> Iterator[Finding]:
    """Yield what is wrong with the broker for the mail of these lanes."""
    try:
        reach(publisher())
    except PublishError:
        yield away()
        return
    if is_redis():
        bare = any(lane.ledger is None for lane in lanes)
        yield from redis_findings(redis_facts(publisher()), keeps_mail=bare)
    else:
        for queue in sorted({lane.options.queue for lane in lanes}):
            yield from rabbitmq_findings(publisher(), queue)
        yield from map(takes_long, (lane for lane in lanes if held_too_long(lane)))


def away() -> Finding:
    return Finding(
        id="broker-away",
        about="broker",
        problem="it cannot be connected to, or does not answer",
        cure="Start it, and see that the URL, its password and the way to it are right from here.",
        unasked=True,
    )


def redis_findings(facts: Mapping[str, Any], *, keeps_mail: bool) -> Iterator[Finding]:
    """Yield what Redis says of itself that costs mail; `keeps_mail`: it alone has some."""
    if facts.get("role") == "slave":
        yield Finding(
            id="redis-replica",
            about="broker",
            problem="this Redis is a replica, and takes no mail",
            cure="Let the URL name the primary, or use sentinel://.",
        )
    most = int(facts.get("maxmemory") or 0)
    policy = str(facts.get("maxmemory_policy"))
    if most and int(facts.get("used_memory") or 0) >= most:
        yield Finding(
            id="redis-full",
            about="broker",
            problem="the memory of Redis is full: it takes nothing more, or evicts what it has",
            cure="Raise maxmemory, or find what fills it (redis-cli --bigkeys).",
        )
    if keeps_mail and most and policy.startswith("allkeys"):
        yield Finding(
            id="redis-evicts",
            about="broker",
            problem=f"maxmemory-policy is {policy}: when memory is short, Redis deletes queues",
            cure="Set maxmemory-policy noeviction, in its configuration, too.",
        )
    if keeps_mail and facts.get("aof_enabled") == 0:
        lost = "all mail" if facts.get("save") == "" else "the mail since its last snapshot"
        yield Finding(
            id="redis-not-persistent",
            about="broker",
            problem=f"appendonly is off: a restart of Redis loses {lost}",
            cure="Set appendonly yes, in its configuration, too; or let the ledger keep mail.",
        )


def rabbitmq_findings(sender: Publisher, queue: str) -> Iterator[Finding]:
    """Yield what is wrong with the queues of mail and of dead letters on RabbitMQ."""
    mail, dead = mail_standing(sender, queue), dead_standing(sender, queue)
    for name, stands in ((queue, mail), (dead_name(queue), dead)):
        if stands.exists and not stands.is_ours:
            yield Finding(
                id="queue-other-kind",
                about=f"queue {name!r}",
                problem="it is not the quorum queue that mailqueue declares, so nothing uses it",
                cure="Empty and delete it, or choose another name with the option 'queue'.",
            )
    if mail.exists and dead == Standing():
        yield Finding(
            id="no-dead-letter-queue",
            about=f"queue {dead_name(queue)!r}",
            problem="it is not there: what RabbitMQ itself gives up has nowhere to go",
            cure="Start a worker that consumes the queue; it declares both.",
        )


def held_too_long(lane: Lane) -> bool:
    """Tell whether one mail of a lane can take longer than RabbitMQ waits for a worker."""
    return lane.ledger is None and longest_of(lane) >= CONSUMER_TIMEOUT


def takes_long(lane: Lane) -> Finding:
    return Finding(
        id="consumer-timeout",
        about=f"MAILERS[{lane.mailer!r}]",
        problem=f"one mail may take {longest_of(lane):.0f} s through {lane.options.using!r}, and"
        f" RabbitMQ takes it back after {CONSUMER_TIMEOUT:.0f} s unless its consumer_timeout is"
        " longer",
        cure="Write a shorter 'deadline' or 'final_timeout', or it goes out twice.",
    )
