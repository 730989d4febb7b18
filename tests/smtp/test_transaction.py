"""One message: its commands, and what the answers mean."""

import smtplib

import pytest

from mailqueue.outcome.outcome import Kind, Stage
from mailqueue.smtp.reply import OutOfStep, Reply
from mailqueue.smtp.transaction import Command, Extensions, Mail, Transaction

JO, ANN = "jo@example.test", "ann@example.test"
OK = Reply(250, b"ok")
ALL = Extensions.of(
    {"pipelining": "", "chunking": "", "8bitmime": "", "smtputf8": "", "size": "1000"}
)


def transaction(*answers: Reply, content: bytes = b"x\r\n", to: tuple[str, ...] = (JO, ANN)):
    """Run MAIL and RCPTs, then DATA and the dot, as far as there are answers."""
    made = Transaction(Mail("me@example.test", to, content), ALL)
    final = Command(Stage.ACCEPTED, b".\r\n")
    for command, answer in zip([*made.opening(), made.data(), final], answers, strict=False):
        made.hear(command, answer)
    return made


def kinds(made: Transaction) -> dict[str, Kind]:
    return {name: outcome.kind for name, outcome in made.outcomes.items()}


def test_extensions() -> None:
    assert Extensions.of({}) == Extensions()
    assert ALL.most_bytes == 1000
    assert Extensions.of({"size": ""}).size
    assert Extensions.of({"size": "many"}).most_bytes == 0


def test_commands() -> None:
    made = Transaction(Mail("me@example.test", [JO], b"x\r\n"), ALL)
    assert [command.data for command in made.opening()] == [
        b"MAIL FROM:<me@example.test> SIZE=3\r\n",
        b"RCPT TO:<jo@example.test>\r\n",
    ]
    assert made.chunk().data == b"BDAT 3 LAST\r\nx\r\n"


def test_parameters_only_if_needed_and_offered() -> None:
    mail = Mail("m\u00e9@example.test", [JO], b"x", eight_bit=True, utf8=True)
    with_all = next(Transaction(mail, ALL).opening()).data
    assert with_all.endswith(b" SIZE=1 BODY=8BITMIME SMTPUTF8\r\n")
    plain = Mail("me@example.test", [JO], b"x", eight_bit=True)
    assert (
        next(Transaction(plain, Extensions()).opening()).data == b"MAIL FROM:<me@example.test>\r\n"
    )


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (b"x\r\n", b"x\r\n.\r\n"),
        (b"x", b"x\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\n..b\r\n", b"a\r\n..\r\n...b\r\n.\r\n"),
    ],
)
def test_dots(content: bytes, written: bytes) -> None:
    assert transaction(OK, OK, OK, Reply(354, b""), content=content).content().data == written


def test_nobody_accepted_ends_with_an_empty_message() -> None:
    no = Reply(550, b"no")
    made = transaction(OK, no, no, Reply(354, b"go"))
    assert made.invited
    assert made.content().data == b".\r\n"


@pytest.mark.parametrize("address", ["a\r\nRCPT TO:<b@c>", "a\nb", "a\x00b", "\u00e9@example.test"])
def test_addresses_that_would_be_commands(address: str) -> None:
    with pytest.raises(ValueError, match="expected an address"):
        Mail(address, [JO], b"")
    with pytest.raises(ValueError, match="expected an address"):
        Mail(JO, [address], b"")


def test_all_accepted() -> None:
    made = transaction(OK, OK, OK, Reply(354, b""), Reply(250, b"2.0.0 Ok: queued as 4F"))
    assert kinds(made) == {JO: Kind.SENT, ANN: Kind.SENT}
    assert made.outcomes[JO].queue_id == "4F"
    assert made.error() is None
    assert made.refused() == {}


def test_each_recipient_has_its_own_outcome() -> None:
    made = transaction(OK, OK, Reply(550, b"5.1.1 no"), Reply(354, b""), OK)
    assert kinds(made) == {JO: Kind.SENT, ANN: Kind.PERMANENT}
    assert made.outcomes[ANN].stage is Stage.RECIPIENT
    assert made.error() is None
    assert made.refused() == {ANN: (550, b"5.1.1 no")}


def test_sender_refused_is_not_overwritten_by_what_follows() -> None:
    after = Reply(503, b"5.5.1 MAIL first")
    made = transaction(Reply(553, b"5.7.1 no"), after, after, after)
    assert {outcome.stage for outcome in made.outcomes.values()} == {Stage.SENDER}
    assert not made.begun
    assert isinstance(made.error(), smtplib.SMTPSenderRefused)


def test_all_recipients_refused() -> None:
    made = transaction(OK, Reply(550, b""), Reply(450, b""), Reply(554, b"no recipients"))
    assert kinds(made) == {JO: Kind.PERMANENT, ANN: Kind.TRANSIENT}
    assert made.begun  # RSET is needed
    error = made.error()
    assert isinstance(error, smtplib.SMTPRecipientsRefused)
    assert error.recipients == {JO: (550, b""), ANN: (450, b"")}


@pytest.mark.parametrize("answers", [(Reply(451, b""),), (Reply(354, b""), Reply(451, b""))])
def test_data_refused(answers: tuple[Reply, ...]) -> None:
    made = transaction(OK, OK, Reply(550, b""), *answers)
    assert kinds(made) == {JO: Kind.TRANSIENT, ANN: Kind.PERMANENT}
    assert made.outcomes[JO].stage is (Stage.DATA, Stage.ACCEPTED)[len(answers) - 1]
    assert isinstance(made.error(), smtplib.SMTPDataError)


def test_421_at_a_recipient_concerns_all() -> None:
    made = transaction(OK, OK, Reply(421, b""))
    assert kinds(made) == {JO: Kind.RATE_LIMITED, ANN: Kind.RATE_LIMITED}


def test_421_at_mail_is_not_about_this_message() -> None:
    assert transaction(Reply(421, b"")).open == [JO, ANN]


@pytest.mark.parametrize(
    "answers",
    [
        (Reply(354, b""),),
        (OK, Reply(354, b"")),
        (OK, OK, OK, OK),  # DATA is not answered by 250
        (OK, OK, OK, Reply(220, b"")),
    ],
)
def test_answers_to_other_commands(answers: tuple[Reply, ...]) -> None:
    with pytest.raises(OutOfStep):
        transaction(*answers)


def test_odd_answer_to_the_whole_message_leaves_it_ambiguous() -> None:
    made = Transaction(Mail(JO, [JO], b""), ALL)
    made.accepted.append(JO)
    with pytest.raises(OutOfStep):
        made.hear(made.content(), Reply(354, b""))
    assert kinds(made) == {JO: Kind.AMBIGUOUS}


def test_lost_answer() -> None:
    made = transaction(OK, OK, Reply(550, b""))
    made.lose()
    assert kinds(made) == {JO: Kind.AMBIGUOUS, ANN: Kind.PERMANENT}


@pytest.mark.parametrize(
    ("reply", "again"),
    [
        (Reply(452, b"4.5.3 too many"), True),
        (Reply(452, b"too many"), True),
        (Reply(552, b"5.5.3 too many"), True),
        (Reply(452, b"4.3.1 disk full"), False),
        (Reply(552, b"5.2.2 mailbox full"), False),
        (Reply(450, b"4.2.0 later"), False),
    ],
)
def test_too_many_recipients_get_another_mail(reply: Reply, again: bool) -> None:
    made = transaction(OK, OK, reply, Reply(354, b""), OK)
    made.reopen()
    assert made.open == ([ANN] if again else [])


def test_too_many_recipients_wait_if_nobody_was_accepted() -> None:
    made = transaction(OK, Reply(452, b""), Reply(452, b""), Reply(554, b""))
    made.reopen()
    assert made.open == []
