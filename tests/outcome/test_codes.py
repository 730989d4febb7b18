"""Every reply, at every stage, has a kind: the table of RFC 5321, 3463 and 4954."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailqueue.outcome import codes
from mailqueue.outcome.outcome import Kind, Stage

SMTP_STAGES = (Stage.CONNECT, Stage.TLS, Stage.AUTH, Stage.SENDER, Stage.RECIPIENT, Stage.DATA)
T, P, R, C, A = (
    Kind.TRANSIENT,
    Kind.PERMANENT,
    Kind.RATE_LIMITED,
    Kind.CONFIGURATION,
    Kind.AMBIGUOUS,
)


@pytest.mark.parametrize(
    ("code", "text", "kinds"),
    [
        # in the order of SMTP_STAGES, then ACCEPTED
        (421, "4.3.2 going down", (R, R, R, R, R, R, R)),
        (432, "4.7.12 transition", (T, T, T, T, T, T, T)),
        (432, "4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/x", (R,) * 7),
        (432, "4.3.2", (R,) * 7),
        (450, "4.7.0 concurrent connections: 20", (R,) * 7),
        (504, "5.5.2 <box>: Helo command rejected: need fully-qualified hostname", (C,) * 7),
        (550, "5.7.1 <box>: Helo command rejected: no", (C,) * 7),
        (450, "4.7.1 <box>: Helo command rejected: Host not found", (C,) * 7),
        (504, "5.5.4 parameter", (T, C, C, P, P, P, P)),
        (450, "4.2.1 busy", (T, T, T, T, T, T, T)),
        (451, "local error", (T, T, T, T, T, T, T)),
        (451, "4.7.1 Greylisted, rate is fine", (T, T, T, T, T, T, T)),
        (451, "4.7.0 try later", (R, T, T, R, R, R, R)),
        (451, "4.4.5 congestion", (R, T, T, R, R, R, R)),
        (452, "4.3.1 disk full", (T, T, T, T, T, T, T)),
        (452, "4.5.3 too many recipients", (T, T, T, T, T, T, T)),
        (450, "4.2.1 receiving mail at a rate that", (T, T, T, T, T, T, T)),
        (454, "4.7.0 temporary authentication failure", (R, T, T, R, R, R, R)),
        (454, "Throttling failure: Maximum sending rate exceeded", (R,) * 7),
        (450, "too many messages", (R,) * 7),
        (530, "5.7.0 authentication required", (C,) * 7),
        (534, "", (C,) * 7),
        (535, "5.7.8 no", (C,) * 7),
        (538, "", (C,) * 7),
        (550, "5.1.1 no such user", (T, C, C, P, P, P, P)),
        (550, "4.1.1 the basic code counts", (T, C, C, P, P, P, P)),
        (450, "5.1.1 the basic code counts", (T, T, T, T, T, T, T)),
        (550, "5.4.5 daily quota", (T, C, C, R, R, R, R)),
        (552, "5.3.4 too big", (T, C, C, P, P, P, P)),
        (552, "5.2.2 mailbox full", (T, C, C, P, P, P, P)),
        (552, "too many recipients", (T, C, C, P, T, P, P)),
        (553, "5.7.1 sender not allowed", (T, C, C, P, P, P, P)),
        (554, "5.6.0 content", (T, C, C, P, P, P, P)),
        (556, "5.1.10 null MX", (T, C, C, P, P, P, P)),
        (250, "ok, but to what", (T, T, T, T, T, T, Kind.SENT)),
        (354, "go on", (T, T, T, T, T, T, A)),
        (-1, "garbage", (T, T, T, T, T, T, A)),
    ],
)
def test_kind_of_reply_at_each_stage(code: int, text: str, kinds: tuple[Kind, ...]) -> None:
    stages = (*SMTP_STAGES, Stage.ACCEPTED)
    assert tuple(codes.read(stage, code, text).kind for stage in stages) == kinds


def test_our_own_name_is_named_as_the_reason() -> None:
    outcome = codes.read(Stage.RECIPIENT, 504, b"5.5.2 <box>: Helo command rejected: need")
    assert outcome.reason == "host name of the sender refused (configuration)"


def test_outcome_keeps_codes_and_writes_its_own_reason() -> None:
    outcome = codes.read(Stage.RECIPIENT, 550, b"5.1.1 <jo@example.test> is not here")
    assert (outcome.code, outcome.enhanced) == (550, "5.1.1")
    assert outcome.reason == "no such mailbox (permanent)"
    assert outcome.stage is Stage.RECIPIENT


def test_what_was_accepted_keeps_the_code_of_the_server_too() -> None:
    outcome = codes.read(Stage.ACCEPTED, 250, b"2.6.0 taken")
    assert (outcome.kind, outcome.code, outcome.enhanced) == (Kind.SENT, 250, "2.6.0")
    assert outcome.reason == "accepted"


@pytest.mark.parametrize(
    ("stage", "code", "text", "reason"),
    [
        (Stage.RECIPIENT, 452, b"", "insufficient storage (transient)"),
        (Stage.RECIPIENT, 459, b"", "refused (transient)"),
        (Stage.RECIPIENT, 550, b"5.1.1 nobody \xff", "no such mailbox (permanent)"),
        (Stage.AUTH, 535, b"5.7.8 no", "credentials refused (configuration)"),
        (Stage.RECIPIENT, 354, b"", "reply out of order (transient)"),
        (Stage.RECIPIENT, 199, b"", "reply not understood (transient)"),
        (Stage.RECIPIENT, 600, b"", "reply not understood (transient)"),
    ],
)
def test_a_reason_is_of_the_enhanced_code_then_of_the_code(stage, code, text, reason) -> None:
    assert codes.read(stage, code, text).reason == reason


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2.0.0 Ok: queued as 4fYx3s1Zz2z9", "4fYx3s1Zz2z9"),
        ("OK id=1tABcd-0003Xy-2K", "1tABcd-0003Xy-2K"),
        ("2.0.0 44bk1v Message accepted for delivery", None),
        ("Ok 0102018f-4a2b-77-000000", "0102018f-4a2b-77-000000"),
        ("2.6.0 <x@host> Queued mail for delivery", None),
        ("Message accepted", None),
        ("", None),
    ],
)
def test_queue_id_of_common_servers(text: str, name: str | None) -> None:
    assert codes.read(Stage.ACCEPTED, 250, text).queue_id == name


@given(st.sampled_from(list(Stage)), st.integers(-1, 700), st.text(max_size=60))
def test_any_reply_has_an_outcome_without_the_text_of_the_server(
    stage: Stage, code: int, text: str
) -> None:
    outcome = codes.read(stage, code, "jo@example.test " + text)
    assert "example.test" not in outcome.reason
    assert (outcome.kind is Kind.SENT) == (stage is Stage.ACCEPTED and code == 250)


@given(st.sampled_from(SMTP_STAGES), st.integers(400, 499), st.text(max_size=60))
def test_no_reply_that_says_not_now_is_final(stage: Stage, code: int, text: str) -> None:
    assert codes.read(stage, code, text).kind in (Kind.TRANSIENT, Kind.RATE_LIMITED)


@given(st.integers(500, 599), st.text(max_size=60))
def test_no_refusal_is_taken_for_acceptance(code: int, text: str) -> None:
    for stage in Stage:
        assert codes.read(stage, code, text).kind not in (Kind.SENT, Kind.AMBIGUOUS)


@pytest.mark.parametrize("text", ["5.5.4 paramètre inconnu", "paramètre inconnu"])
@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_a_refused_parameter_is_known_in_whatever_encoding_the_server_writes(
    text: str, charset: str
) -> None:
    assert codes.is_about_parameters(501, text.encode(charset))


@pytest.mark.parametrize(
    ("code", "phrase"),
    [
        (199, "reply not understood"),
        (200, "reply out of order"),
        (399, "reply out of order"),
        (400, "refused"),
        (599, "refused"),
        (600, "reply not understood"),
    ],
)
def test_a_reply_that_no_table_has_is_told_by_its_range(code: int, phrase: str) -> None:
    assert codes.read(Stage.DATA, code, "").reason.startswith(phrase)
