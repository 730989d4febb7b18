"""What a target reports is checked: nothing is lost, doubled or dead for what it does not say."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend as DjangosBase
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from mailqueue import signals
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.delivery.answers import faults_told
from mailqueue.delivery.attempt import attempt
from mailqueue.delivery.connections import connections
from mailqueue.lanes import Lane
from mailqueue.ledger.models import Entry
from mailqueue.mail import mailers
from mailqueue.options import QueueOptions
from mailqueue.outcome import Kind, Outcome, Stage
from mailqueue.outcome.report import checked, valid_outcomes
from mailqueue.outcome.retry import RetryPolicy
from mailqueue.testing import queue_in_memory

SENT = Outcome(kind=Kind.SENT, stage=Stage.ACCEPTED, reason="accepted")
JO, ANN = "jo@x.test", "Ann <ann@x.test>"


class Told(BaseEmailBackend):
    """Reports what a test says, for the messages that it got."""

    reports_outcomes = True
    report: Any = None
    got: list[Any] = []

    def deliver(self, messages: Any) -> Any:
        self.got.extend(messages)
        report = type(self).report
        return report(messages) if callable(report) else report


class Unrelated(DjangosBase):
    """Has a method that is named deliver, for reasons of its own."""

    sent: list[str] = []

    def send_messages(self, email_messages: Any) -> int:
        return self.deliver(email_messages)

    def deliver(self, messages: Any) -> int:
        self.sent += [name for message in messages for name in message.recipients()]
        return len(messages)


class Rewrites(DjangosBase):
    """Sends to somebody else, as catch-all backends do, and fails."""

    def send_messages(self, email_messages: Any) -> int:
        for message in email_messages:
            message.to = ["catch-all@x.test"]
        raise ConnectionRefusedError


class Own(BaseEmailBackend):
    reports_outcomes = True

    def send_messages(self, email_messages: Any) -> int:
        return len(self.deliver(email_messages))

    def deliver(self, messages: Any) -> Any:
        raise AssertionError("passes by send_messages() of the class above")


class Redirect(Own):
    """Somebody's subclass of a target that reports."""

    sent: list[str] = []

    def send_messages(self, email_messages: Any) -> int:
        self.sent += ["me@x.test" for _ in email_messages]
        return len(email_messages)


def mailers_for(name: str, **options: Any) -> dict[str, Any]:
    quick = {"schedule": [0.001], "jitter": 0, "unknown_attempts": 2}
    queue = {"using": "target", "retry": quick} | options
    return {
        "default": {"BACKEND": "mailqueue.backends.queue.EmailBackend", "OPTIONS": queue},
        "target": {"BACKEND": f"{__name__}.{name}"},
    }


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    Told.got, Unrelated.sent, Redirect.sent = [], [], []
    faults_told.clear()
    yield
    faults_told.clear()
    connections.close()


@pytest.fixture(params=[None, "database"])
def ledger(request: pytest.FixtureRequest, transactional_db: None) -> str | None:
    return request.param


@pytest.fixture
def told(transactional_db: None) -> Iterator[list[tuple[str, str]]]:
    """Collect the signals: name and reason."""
    seen: list[tuple[str, str]] = []
    names = ("queued", "sent", "deferred", "dead")

    def listen(name: str) -> Any:
        def note(reason: str = "", **facts: Any) -> None:
            seen.append((name, reason))

        getattr(signals, name).connect(note, weak=False, dispatch_uid="test_report")
        return note

    kept = [listen(name) for name in names]
    yield seen
    del kept
    for name in names:
        getattr(signals, name).disconnect(dispatch_uid="test_report")


def run(name: str, *recipients: list[str], rounds: int = 6, **options: Any) -> None:
    """Queue a message for each list of recipients; deliver, also what is to be tried again."""
    from mailqueue.relay import relay

    with override_settings(MAILERS=mailers_for(name, **options)), queue_in_memory() as deliver:
        mailers.default.send_messages(
            [EmailMessage("s", "b", "me@x.test", to) for to in recipients]
        )
        for _ in range(rounds):
            if options.get("ledger") == "database":
                Entry.objects.exclude(due_at=None).update(due_at="2001-01-01T00:00:00+00:00")
                relay()
            deliver()


def test_a_report_about_nobody_is_no_success(ledger, told, caplog):
    Told.report = lambda messages: [{} for _ in messages]
    run("Told", [JO], [ANN], ledger=ledger)

    assert [name for name, _ in told].count("sent") == 0
    dead = [reason for name, reason in told if name == "dead"]
    assert dead == ["tried 2 times: the target reported no outcome (transient)"] * 2
    assert caplog.text.count("The target of mailer 'target' reports wrongly") == 1
    if ledger:
        assert set(Entry.objects.values_list("state", flat=True)) == {"dead"}
        assert all(Entry.objects.values_list("payload", flat=True))


@pytest.mark.parametrize(
    "report",
    [
        2,
        None,
        True,
        "sent",
        {JO: SENT},
        [None],
        [[SENT]],
        [{JO: "sent"}],
        [{JO: None}],
        [{JO: {"kind": "sent"}}],
        [{"stranger@x.test": SENT}],
        [{None: SENT}],
        [{JO: Outcome(kind="delivered", stage=Stage.ACCEPTED)}],  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_what_is_no_report_is_tried_again(report, caplog):
    Told.report = report
    [outcomes] = attempted([JO])
    assert outcomes.keys() == {JO}
    assert (outcomes[JO].kind, outcomes[JO].stage) == (Kind.TRANSIENT, Stage.UNKNOWN)
    assert "reports wrongly" in caplog.text
    assert "x.test" not in caplog.text


def attempted(*recipients: list[str], name: str = "Told") -> list[dict[str, Outcome]]:
    lane = Lane.make("default", QueueOptions(using="target", retry=RetryPolicy()))
    messages = [EmailMessage("s", "b", "me@x.test", to) for to in recipients]
    with override_settings(MAILERS=mailers_for(name)):
        return [dict(answer.value) for _, answer in attempt(lane, messages)]


def test_an_unrelated_method_is_not_called(ledger, told):
    run("Unrelated", [JO], [ANN], ledger=ledger)
    assert sorted(Unrelated.sent) == [ANN, JO]
    assert [name for name, _ in told] == ["queued", "queued", "sent", "sent"]


def test_one_outcome_too_few_leaves_the_sent_one_sent(told):
    Told.report = lambda messages: [dict.fromkeys(messages[0].recipients(), SENT)]
    run("Told", [JO], [ANN], rounds=1, ledger=None)
    assert [name for name, _ in told] == ["queued", "queued", "sent", "deferred"]


def test_outcomes_of_more_messages_than_there_are_count_for_those_there_are(caplog):
    Told.report = lambda messages: ({JO: SENT} for _ in range(10**9))
    [outcomes] = attempted([JO])
    assert outcomes[JO].kind is Kind.SENT
    assert "more messages than it was given" in caplog.text


def test_a_recipient_left_out_is_tried_again_and_strangers_are_ignored():
    Told.report = [{JO: SENT, "stranger@x.test": SENT}]
    [outcomes] = attempted([JO, ANN])
    assert outcomes[JO].kind is Kind.SENT
    assert (outcomes[ANN].kind, outcomes[ANN].stage) == (Kind.TRANSIENT, Stage.UNKNOWN)
    assert outcomes.keys() == {JO, ANN}


def test_what_was_told_before_an_error_counts():
    def report(messages: Any) -> Any:
        yield {JO: SENT}
        raise ConnectionResetError

    Told.report = report
    first, second = attempted([JO], [ANN])
    assert first[JO].kind is Kind.SENT
    assert (second[ANN].kind, second[ANN].stage) == (Kind.TRANSIENT, Stage.CONNECT)


def test_an_outcome_under_the_bare_address_is_the_recipients(caplog):
    Told.report = [{"ann@x.test": SENT}]
    [outcomes] = attempted([ANN])
    assert outcomes == {ANN: SENT}
    assert "reports wrongly" not in caplog.text


def test_plain_texts_for_kind_and_stage_are_taken_for_what_they_mean():
    Told.report = [{JO: Outcome(kind="sent", stage="accepted")}]  # type: ignore[arg-type]
    [outcomes] = attempted([JO])
    assert outcomes[JO].kind is Kind.SENT


def test_a_target_that_rewrites_its_messages_changes_nobody_in_the_queue():
    [outcomes] = attempted([JO, ANN], name="Rewrites")
    assert outcomes.keys() == {JO, ANN}


def test_a_subclass_that_sends_its_own_way_is_not_passed_by():
    [outcomes] = attempted([JO], name="Redirect")
    assert Redirect.sent == ["me@x.test"]
    assert outcomes[JO].kind is Kind.SENT


addresses = st.sampled_from([JO, ANN, "ann@x.test"])
anything = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.binary())
outcomes_of_strangers = st.builds(
    Outcome,
    kind=st.one_of(st.sampled_from(Kind), anything),
    stage=st.one_of(st.sampled_from(Stage), anything),
    code=anything,
    enhanced=anything,
    reason=anything,
    retry_after=anything,
    queue_id=anything,
)
reports = st.one_of(
    anything,
    st.dictionaries(
        st.one_of(
            st.sampled_from([JO, ANN, "ann@x.test"]), anything.filter(lambda key: key == key)
        ),
        st.one_of(anything, outcomes_of_strangers),
    ),
)


@given(reports)
def test_any_report_gives_an_outcome_for_each_recipient_and_for_nobody_else(report):
    outcomes, fault = checked(report, [JO, ANN])
    assert list(outcomes) == [JO, ANN]
    for outcome in outcomes.values():
        assert isinstance(outcome.kind, Kind)
        assert isinstance(outcome.stage, Stage)
        assert isinstance(outcome.reason, str)
        assert outcome.code is None or 0 <= outcome.code <= 999
        assert outcome.retry_after is None or outcome.retry_after >= 0
    sent = [name for name, outcome in outcomes.items() if outcome.kind is Kind.SENT]
    assert set(sent) <= set(valid_outcomes(report, [JO, ANN]))
    assert "x.test" not in fault


def test_faults_are_told_once_for_each_target(caplog):
    Told.report = [{}]
    with caplog.at_level(logging.ERROR, logger="mailqueue"):
        for _ in range(3):
            attempted([JO])
    assert len(caplog.records) == 1
