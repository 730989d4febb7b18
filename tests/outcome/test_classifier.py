"""A project's own word on an error comes first, and cannot do harm."""

from types import SimpleNamespace

import pytest

from mailqueue.outcome.exceptions import classifier
from mailqueue.outcome.outcome import Kind, Outcome, Stage

QUOTA = Outcome(kind=Kind.RATE_LIMITED, stage=Stage.DATA, reason="quota", retry_after=3600)
RECIPIENTS = ("a@x.test", "b@x.test")


def first_only(error, recipients, message):
    return {recipients[0]: QUOTA, "stranger@x.test": QUOTA}


def no_opinion(error, recipients, message):
    return None


def broken(error, recipients, message):
    raise LookupError


def wrong_type(error, recipients, message):
    return [QUOTA]


def wrong_values(error, recipients, message):
    return dict.fromkeys(recipients, "sent")


def outcomes_by(name: str | None):
    path = name and f"{__name__}.{name}"
    return classifier(path)(ConnectionRefusedError(), RECIPIENTS)


def test_its_word_counts_for_those_that_it_names():
    outcomes = outcomes_by("first_only")
    assert outcomes.keys() == set(RECIPIENTS)
    assert outcomes["a@x.test"] == QUOTA
    assert outcomes["b@x.test"].kind is Kind.TRANSIENT


def by_tag(error, recipients, message):
    return dict.fromkeys(recipients, QUOTA) if message.tags == ["bulk"] else None


def test_it_may_go_by_what_the_message_is():
    own = classifier(f"{__name__}.by_tag")
    for tags, kind in (["bulk"], Kind.RATE_LIMITED), (["order"], Kind.TRANSIENT):
        outcomes = own(ConnectionRefusedError(), RECIPIENTS, SimpleNamespace(tags=tags))
        assert {outcome.kind for outcome in outcomes.values()} == {kind}


@pytest.mark.parametrize("name", [None, "no_opinion", "broken", "wrong_type", "wrong_values"])
def test_otherwise_ours_does(name):
    assert {outcome.kind for outcome in outcomes_by(name).values()} == {Kind.TRANSIENT}


@pytest.mark.parametrize("path", ["gone.away", "nodots", f"{__name__}.RECIPIENTS"])
def test_a_path_to_no_function_is_told(path):
    with pytest.raises(ValueError, match="'classifier' must be the dotted path"):
        classifier(path)
