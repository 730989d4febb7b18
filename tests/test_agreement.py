"""What a worker proves of its keys, and that nobody learns a key by it."""

import json
import secrets

import pytest

from mailqueue import agreement
from mailqueue.bootsteps import answer
from mailqueue.broker.workers import TOLD
from mailqueue.errors import BadSignature
from mailqueue.wire.signature import keys_from_settings, proofs
from tests.canaries import PASSWORD, SIGNING_KEY
from tests.doctor.shop import queue_to, smtp
from tests.project_app import project_app

CHALLENGE = secrets.token_hex(16)
OLD, NEW = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "N" * 43 + "="


def told(settings, *keys, encryption=()):
    settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = keys
    return proofs(CHALLENGE, [encryption])


@pytest.mark.parametrize(
    ("worker", "sender", "opens"),
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (["b", "a"], ["a"], True),  # the worker has the new key already
        (["a"], ["b", "a"], False),  # the sender has it first
        (["a", "b"], ["b", "a"], True),
        ([b"a"], ["a"], True),
    ],
)
def test_who_opens_what_another_signs(settings, worker, sender, opens):
    there, here = told(settings, *worker), told(settings, *sender)
    assert agreement.opens(there, here, "signing") is opens
    assert agreement.opens(there, here, "encryption")


@pytest.mark.parametrize(
    ("worker", "sender", "opens"),
    [
        ([OLD], [OLD], True),
        ([], [OLD], False),
        ([OLD], [], True),
        ([NEW, OLD], [OLD], True),
        ([OLD], [NEW, OLD], False),
    ],
)
def test_who_opens_what_another_encrypts(settings, worker, sender, opens):
    there = told(settings, "a", encryption=worker)
    here = told(settings, "a", encryption=sender)
    assert agreement.opens(there, here, "encryption") is opens


def test_a_proof_signs_nothing(settings):
    [proof] = told(settings, "a")["signing"]["packs"]
    with pytest.raises(BadSignature):
        keys_from_settings().verify(f"{CHALLENGE}:{proof}")
    assert proofs(secrets.token_hex(16), [])["signing"]["packs"] != [proof]


@pytest.mark.parametrize("challenge", ["", "x" * 32, "a" * 31, "a" * 65, None, 7, ["a" * 32]])
def test_what_is_no_challenge(challenge):
    with pytest.raises(ValueError, match="32 to 64 hexadecimal digits"):
        agreement.facts(challenge, [])


def test_what_a_worker_tells_holds_no_secret(settings):
    settings.SECRET_KEY = SIGNING_KEY
    settings.MAILERS = {
        "default": queue_to("smtp", "mail", ledger=None, encryption_keys=[OLD]),
        "smtp": smtp(25, host="relay.example.test", username="me", password=PASSWORD),
    }
    with project_app("redis://:canary@127.0.0.1:1") as app:
        state = type("State", (), {"app": app})
        said = answer.tell(state, CHALLENGE)
    assert said.keys() == TOLD
    assert said["changed"] == []
    text = json.dumps(said)
    for secret in (SIGNING_KEY, OLD, PASSWORD, "canary", "relay.example.test"):
        assert secret not in text
