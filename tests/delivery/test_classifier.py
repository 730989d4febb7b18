"""A project's own word on an error comes first, and cannot do harm."""

import pytest

from mailqueue.delivery.classifier import classifier_of
from mailqueue.delivery.outcome import Kind, Outcome, Stage
from mailqueue.options import QueueOptions

QUOTA = Outcome(kind=Kind.RATE_LIMITED, stage=Stage.DATA, reason="quota", retry_after=3600)
RECIPIENTS = ("a@x.test", "b@x.test")


def first_only(error, recipients, message):
    return {recipients[0]: QUOTA, "stranger@x.test": QUOTA}


def no_opinion(error, recipients, message):
    return None


def broken(error, recipients, message):
    raise LookupError


def judged(name: str | None):
    path = name and f"{__name__}.{name}"
    judge = classifier_of(QueueOptions(using="smtp", classifier=path))
    return judge(ConnectionRefusedError(), RECIPIENTS, None)


def test_its_word_counts_for_those_that_it_names():
    outcomes = judged("first_only")
    assert outcomes.keys() == set(RECIPIENTS)
    assert outcomes["a@x.test"] is QUOTA
    assert outcomes["b@x.test"].kind is Kind.TRANSIENT


@pytest.mark.parametrize("name", [None, "no_opinion", "broken"])
def test_otherwise_ours_does(name):
    assert {outcome.kind for outcome in judged(name).values()} == {Kind.TRANSIENT}


@pytest.mark.parametrize("path", ["gone.away", "nodots", f"{__name__}.RECIPIENTS"])
def test_a_path_to_no_function_is_told(path):
    with pytest.raises(ValueError, match="'classifier' must be the dotted path"):
        classifier_of(QueueOptions(using="smtp", classifier=path))
