"""Envelopes that were altered, and envelopes that are hostile though signed, beside good mail.

Nothing is sent that was not accepted; each good mail is sent once; each bad one is a dead letter
with its bytes; the task never raises, and the log holds nothing of a mail.
"""

import base64
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.core.mail import EmailMultiAlternatives
from django.test import override_settings

from mailqueue.broker.dead import peek
from mailqueue.broker.message import body_of
from mailqueue.broker.publish import publisher
from mailqueue.demo.sink import Sink
from mailqueue.log import floods
from mailqueue.mail import mailers
from mailqueue.wire.envelope import unpack
from mailqueue.wire.signature import keys_from_settings, worker_keys
from tests import services
from tests.chaos.reading import LENIENT, STRICT, read
from tests.chaos.seeds import chance, rounds
from tests.delivery.recording import QUEUE, Outcome, deliver, recording
from tests.procnodes import Process, worker_command
from tests.project_app import project_app
from tests.waiting import until
from tests.wire.hostile import BAD, BREAKS, CANARY
from tests.worker.deployment import KEY, environment
from tests.worker.project import queued

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "encrypted": {"encryption_keys": [base64.urlsafe_b64encode(b"k" * 32).decode()]},
}
BAD_IN_BATCH, GOOD_IN_BATCH = 20, 3
# What the messages of BREAKS have for headers, in any part.
NAMES = {"date", "message-id", "subject", "from", "to", "cc", "reply-to", "mime-version"}
NAMES |= {"content-type", "content-transfer-encoding", "content-disposition", "x-value", "x-a"}

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
ODD = "\0\n =:.-_%\x7fé\u0661\u2028\ud800\U0001f4e7"


def good(name: str) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(CANARY, CANARY, f"{CANARY}@example.test", [name])
    message.attach_alternative(f"<p>{CANARY}</p>", "text/html")
    message.attach(f"{CANARY}.png", b"\x89PNG\0" * 20, "image/png")
    return message


def packed(name: str) -> str:
    """Return the text of a mail as a sender makes it."""
    mailers["default"].send_messages([good(name)])
    [text] = json.loads(queued(QUEUE))
    return str(text)


# Ways to alter a text, given another one that is good.


def flip(text: str, other: str, random: random.Random) -> str:
    place = random.randrange(len(text))
    return text[:place] + chr(ord(text[place]) ^ 1 << random.randrange(7)) + text[place + 1 :]


def cut(text: str, other: str, random: random.Random) -> str:
    start, end = sorted(random.choices(range(len(text) + 1), k=2))
    return random.choice([text[:start], text[end:], text[:start] + text[end:], text[start:end]])


def splice(text: str, other: str, random: random.Random) -> str:
    return text[: random.randrange(len(text))] + other[random.randrange(len(other)) :]


def swap_signatures(text: str, other: str, random: random.Random) -> str:
    return text.rpartition(":")[0] + ":" + other.rpartition(":")[2]


def swap_bodies(text: str, other: str, random: random.Random) -> str:
    ours, theirs = text.split("."), other.split(".")
    return f"{ours[0]}.{ours[1]}.{theirs[2].partition(':')[0]}:{ours[2].rpartition(':')[2]}"


def other_version(text: str, other: str, random: random.Random) -> str:
    version = random.choice(["0", "2", "01", "11", "-1", "1.1", "", "1 ", "999999", "9" * 50, "१"])
    return version + text[1:]


def other_form(text: str, other: str, random: random.Random) -> str:
    version, _, rest = text.split(".", 2)
    form = random.choice(["", "zip", "JSON", "aesgcm ", "pickle", "json.json", "none"])
    return f"{version}.{form}.{rest}"


def other_letter(text: str, other: str, random: random.Random) -> str:
    place = random.randrange(text.rindex(".") + 1, len(text))
    return text[:place] + random.choice(ALPHABET) + text[place + 1 :]


def insert(text: str, other: str, random: random.Random) -> str:
    place = random.randrange(len(text) + 1)
    return text[:place] + random.choice(ODD) * random.randint(1, 3) + text[place:]


def edit(text: str, other: str, random: random.Random) -> str:
    """Change the body as whoever reads it would, and leave the signature."""
    head, _, signature = text.rpartition(":")
    version, form, encoded = head.split(".")
    body = bytearray(base64.b64decode(encoded))
    place = random.randrange(len(body))
    body[place : place + random.randint(0, 3)] = random.randbytes(random.randint(1, 3))
    return f"{version}.{form}.{base64.b64encode(body).decode()}:{signature}"


def unsigned(text: str, other: str, random: random.Random) -> str:
    return random.choice([text.rpartition(":")[0], f"{text}:", f":{text}", f"{text}{text}"])


ALTERATIONS: list[Callable[[str, str, random.Random], str]] = [
    *(flip, cut, splice, swap_signatures, swap_bodies, other_version, other_form),
    *(other_letter, insert, edit, unsigned),
]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Return what the log heard since the last time."""
    caplog.set_level(logging.DEBUG, "mailqueue")
    floods.flush()

    def take() -> str:
        text = caplog.text
        caplog.clear()
        return text

    yield take
    floods.flush()


def mixed(batch: list[str], outcome: Outcome, names: list[str], bad: list[str], log: str) -> None:
    """Ask of a batch all that the docstring of this module says."""
    assert sorted(name for mail in outcome.sent for name in mail.recipients) == sorted(names)
    assert Counter(outcome.dead) == Counter(bad)
    assert outcome.waiting == []
    assert CANARY not in log
    assert not any(text[len(text) // 3 :][:30] in log for text in batch if len(text) > 90)


@pytest.mark.parametrize("kind", OPTIONS)
def test_what_was_altered_is_not_sent(kind: str, told: Callable[[], str]) -> None:
    random = chance(f"envelopes, {kind}")
    with recording(**OPTIONS[kind]):
        names = [f"to{number}@example.test" for number in range(40)]
        texts = {name: packed(name) for name in names}
        tried = 0
        for _ in rounds():
            sent_to = random.sample(names, GOOD_IN_BATCH)
            bad = {altered(list(texts.values()), random) for _ in range(BAD_IN_BATCH)}
            batch = [*bad, *(texts[name] for name in sent_to)]
            random.shuffle(batch)
            mixed(batch, deliver(json.dumps(batch)), sent_to, list(bad), told())
            tried += len(bad)
    print(f"{tried} altered envelopes")


def altered(texts: list[str], random: random.Random) -> str:
    while True:
        text, other = random.sample(texts, 2)
        changed = random.choice(ALTERATIONS)(text, other, random)
        if changed not in texts and not changed.startswith("1.ref."):  # a ring of old, no mail
            return changed


def test_no_other_body_is_sent(told: Callable[[], str]) -> None:
    random = chance("bodies")
    with recording():
        text = packed("to@example.test")
        tried = 0
        for tried in rounds():  # noqa: B007 (how many it were is printed)
            body = other_body(text, random)
            outcome = deliver(body)
            assert outcome.sent == outcome.waiting == []
            assert outcome.dead == [body]
            assert CANARY not in told()
    print(f"{tried + 1} other bodies")


def other_body(text: str, random: random.Random) -> str:
    """Return what is no JSON array of texts."""
    noise = "".join(random.choices('[]{}",:.01en\\u' + ODD, k=random.randrange(200)))
    value = json.dumps(random.choice([1, None, {}, {"ring": [1]}, [1], [text, 1], [[text]], text]))
    batch = json.dumps([text])
    place = random.randrange(1, len(batch) - 1)
    cut_off = random.choice([batch[:place], batch[place:]])
    deep = "[" * random.randrange(2, 100_000)
    many = json.dumps([noise] * random.randrange(1001, 3000))
    return random.choices([noise, value, cut_off, deep, many], weights=[40, 30, 30, 1, 1])[0]


def test_what_is_hostile_though_signed_dies_beside_good_mail(told: Callable[[], str]) -> None:
    random = chance("signed")
    with recording():
        names = [f"to{number}@example.test" for number in range(40)]
        texts = {name: packed(name) for name in names}
        bodies = [signed(body) for body in BAD.values() if body != b""] * 2
        random.shuffle(bodies)
        while bodies:
            sent_to = random.sample(names, GOOD_IN_BATCH)
            bad = {bodies.pop() for _ in range(min(BAD_IN_BATCH, len(bodies)))}
            batch = [*bad, *(texts[name] for name in sent_to)]
            random.shuffle(batch)
            mixed(batch, deliver(json.dumps(batch)), sent_to, list(bad), told())


@pytest.mark.parametrize("name", BREAKS)
def test_what_only_rendering_finds_forges_nothing(name: str) -> None:
    with recording():
        text = signed(BREAKS[name])
        outcome = deliver(json.dumps([packed("good@example.test"), text]))
        sent = [mail for mail in outcome.sent if mail.recipients != ["good@example.test"]]
        assert len(outcome.sent) == len(sent) + 1
        # Whoever tried it notes for whom it died: that is not the text as it came.
        dead = {unpack(each, worker_keys()).id for each in outcome.dead}
        assert dead == set() if sent else {"0" * 32}
    for mail in sent:
        for breaks in (STRICT, LENIENT):
            parts = list(read(mail.content, breaks).walk())
            assert {name for part in parts for name in part.names} <= NAMES
            assert not any(part.content.strip().startswith(b"EVIL") for part in parts)


def signed(body: bytes) -> str:
    return keys_from_settings().sign(f"1.json.{base64.b64encode(body).decode()}")


def test_a_worker_on_redis_outlives_them_all(redis_url: str, tmp_path: Path) -> None:
    random = chance("worker")
    with services.queue_on(redis_url) as queue, Sink() as sink, project_app(redis_url) as app:
        worker = start(app, queue, sink, tmp_path)
        try:
            names, bad = publish(queue, random)
            sink.wait(lambda: set(sink.copies()) >= set(names), 120)
            until(lambda: len(dead(queue)) >= len(bad), 60)
            assert sink.copies() == Counter(names)
            assert Counter(dead(queue)) == Counter(bad)
            assert worker.status == "running"
            assert CANARY not in worker.logs().decode()
        finally:
            worker.remove()


def start(app: Celery, queue: str, sink: Sink, folder: Path) -> Process:
    command = worker_command("worker", "-P", "solo", "-l", "INFO")
    env = environment(app.conf.broker_url, queue, sink)
    return Process("worker", command, cwd=folder, env=env)


def publish(queue: str, random: random.Random) -> tuple[list[str], list[str]]:
    """Publish good mails among bad ones; return who is to get one, and the bad texts."""
    names = [f"to{number}@example.test" for number in range(100)]
    with override_settings(SECRET_KEY=KEY):
        with recording():
            texts = [packed(name) for name in names]
        bad = list({signed(body) for body in BAD.values()})
        bad += list({altered(texts, random) for _ in range(300)})
    batch = [*texts, *bad]
    random.shuffle(batch)
    while batch:
        some, batch = batch[:8], batch[8:]
        publisher().task(body_of(json.dumps(some)), queue=queue, priority=None, countdown=0)
    return names, bad


def dead(queue: str) -> list[str]:
    return [letter.content for letter in peek(publisher(), queue=queue, limit=None)]
