"""What is read from a message that anybody may have written, and from its routing key."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailqueue.broker import delay
from mailqueue.broker.message import (
    argument_for,
    argument_of,
    body_for,
    body_of,
    eta_of,
    queue_in,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=127)))
def test_the_argument_comes_back(argument):
    body = body_of(argument)
    assert argument_of(body, longest=len(body)) == argument
    assert argument_of(body.decode(), longest=len(body)) == argument


@settings(deadline=None)
@given(
    st.lists(st.text() | st.from_regex(r"[\x20-\x7f]+", fullmatch=True) | st.just("1.json.a/+="))
)
def test_the_body_for_texts_is_that_of_their_list_in_json(texts):
    assert body_for(texts) == body_of(json.dumps(texts))
    assert argument_for(texts) == json.dumps(texts)


@pytest.mark.parametrize(
    "body",
    [
        None, 7, [], {}, "", b"", b"\xff", "{", "null", "[]", "[[],{},{}]", '[["a"],{}]',
        '[["a"],{"x":1},{}]', '[["a","b"],{},{}]', "[[1],{},{}]", '[["\\ud800"],{},{}]',
        '[["é"],{},{}]', "[" * 100_000, "1" * 5000, json.dumps([["a"], {}, {}]).encode("utf-16"),
        '["a",{},{}]', '[{"0":"a"},{},{}]', '{"a":1,"b":2,"c":3}', '"abc"', "NaN",
    ],
)  # fmt: skip
def test_what_is_no_argument_of_ours_is_refused(body):
    with pytest.raises(ValueError, match="not the"):
        argument_of(body, longest=200_000)


def test_what_is_too_long_is_not_parsed():
    with pytest.raises(ValueError, match="not the body"):
        argument_of(body_of("x" * 100), longest=100)


@pytest.mark.parametrize(
    ("eta", "kept"),
    [
        ((NOW + timedelta(seconds=9)).isoformat(), True),
        ((NOW + timedelta(seconds=9)).astimezone().isoformat(), True),
        ((NOW + timedelta(seconds=11)).isoformat(), False),
        ((NOW - timedelta(seconds=1)).isoformat(), False),
        ("2026-01-01T00:00:09", False),
        ("9999-12-31T23:59:59.999999-23:59", False),
        ("0001-01-01T00:00:00+23:59", False),
        *[(bad, False) for bad in ("garbage", "", "2" * 10_000, 7, None, [], {}, float("nan"))],
    ],
)
def test_only_a_time_that_can_be_ours_is_obeyed(eta, kept):
    found = eta_of(eta, now=NOW.timestamp(), longest=10)
    assert (found is not None) is kept
    if found:
        assert datetime.fromisoformat(found) == datetime.fromisoformat(eta)


@settings(deadline=None)
@given(st.floats(min_value=0.001, max_value=1e12))
def test_a_delay_is_no_part_of_the_queues_name(seconds):
    assert queue_in(delay.key(seconds, "reports.mail")) == "reports.mail"


@pytest.mark.parametrize("key", ["mail", "reports.mail", "1.0.mail", "1.mail", "0." * 27 + "mail"])
def test_a_key_with_dots_is_not_taken_for_a_delay(key):
    assert queue_in(key) == key
