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
    assert next(Transaction(plain, ALL).opening()).data.endswith(b" SIZE=1 BODY=8BITMIME\r\n")
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
    assert made.outcomes[JO].reason == "answer to the message lost (ambiguous)"


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


def accepted(*names: str, content: bytes = b"xyz") -> Transaction:
    """Make a transaction whose MAIL was accepted, and these of its recipients."""
    made = Transaction(Mail("me@example.test", [JO, ANN], content), ALL)
    for command in made.opening():
        taken = command.recipient is None or command.recipient in names
        made.hear(command, OK if taken else Reply(550, b""))
    return made


def test_a_probe_is_one_byte_and_the_chunk_the_rest() -> None:
    made = accepted(JO)
    assert made.probe() == Command(Stage.DATA, b"BDAT 1\r\nx")
    assert made.chunk() == Command(Stage.ACCEPTED, b"BDAT 2 LAST\r\nyz")
    assert made.chunk().data == b"BDAT 0 LAST\r\n"  # it is given once


@pytest.mark.parametrize("names", [(), (JO,)])
@pytest.mark.parametrize("code", [200, 250, 299])
def test_a_probe_that_is_taken_shows_bdat_where_somebody_was_accepted(code, names) -> None:
    made = accepted(*names)
    made.hear(made.probe(), Reply(code, b""))
    assert (made.probed, made.unchunked) == (bool(names), False)


@pytest.mark.parametrize("code", [500, 501, 502, 503, 504, 555])
def test_a_probe_that_is_not_known_is_no_fault_of_the_mail(code) -> None:
    made = accepted(JO)
    made.hear(made.probe(), Reply(code, b""))
    assert (made.probed, made.unchunked, made.open) == (False, True, [JO])


@pytest.mark.parametrize(("code", "unchunked"), [(500, True), (502, True), (503, False)])
def test_a_probe_for_nobody_is_refused_for_that(code, unchunked) -> None:
    made = accepted()
    made.hear(made.probe(), Reply(code, b""))
    assert (made.probed, made.unchunked) == (False, unchunked)


@pytest.mark.parametrize("code", [300, 354, 399])
def test_a_probe_is_not_invited_to_go_on(code) -> None:
    made = accepted(JO)
    with pytest.raises(OutOfStep):
        made.hear(made.probe(), Reply(code, b""))


@pytest.mark.parametrize(("code", "kind"), [(452, Kind.TRANSIENT), (554, Kind.PERMANENT)])
def test_a_probe_may_be_refused_for_the_mail(code, kind) -> None:
    made = accepted(JO)
    made.hear(made.probe(), Reply(code, b""))
    assert (made.probed, made.unchunked, made.outcomes[JO].kind) == (False, False, kind)
    assert made.outcomes[JO].stage is Stage.DATA


def test_an_answer_about_the_order_of_commands_is_not_that_to_data() -> None:
    with pytest.raises(OutOfStep):
        transaction(OK, OK, OK, Reply(503, b""))
    nobody = transaction(OK, Reply(550, b""), Reply(550, b""), Reply(503, b""))
    assert kinds(nobody) == {JO: Kind.PERMANENT, ANN: Kind.PERMANENT}


@pytest.mark.parametrize(("offered", "again"), [(ALL, True), (Extensions(), False)])
def test_a_parameter_that_is_refused_is_left_out_where_there_was_one(offered, again) -> None:
    made = Transaction(Mail("me@example.test", [JO], b"x"), offered)
    made.hear(next(made.opening()), Reply(555, b"5.5.4 unknown parameter"))
    assert made.unwanted is again
    assert made.open == ([JO] if again else [])


@pytest.mark.parametrize(
    ("reply", "open_"),
    [
        (Reply(503, b"5.5.1 MAIL first"), [JO]),
        (Reply(550, b"5.5.1 MAIL first"), [JO]),
        (Reply(421, b"4.3.2 bye"), []),
    ],
)
def test_without_a_sender_only_a_goodbye_is_about_a_recipient(reply, open_) -> None:
    made = Transaction(Mail("me@example.test", [JO], b"x"), ALL)
    mail, to = made.opening()
    made.hear(mail, Reply(555, b"5.5.4 unknown parameter"))
    made.hear(to, reply)
    assert made.open == open_


def test_a_content_is_given_once() -> None:
    made = accepted(JO)
    assert made.content().data == b"xyz\r\n.\r\n"
    assert made.content().data == b".\r\n"


def test_an_answer_about_the_order_of_commands_is_not_that_to_the_message() -> None:
    made = accepted(JO)
    with pytest.raises(OutOfStep):
        made.hear(made.content(), Reply(503, b""))
    assert made.open == [JO]
    for_nobody = accepted()
    for_nobody.hear(for_nobody.content(), Reply(503, b""))
    with_another_code = accepted(JO)
    with_another_code.hear(with_another_code.content(), Reply(504, b""))
    assert kinds(with_another_code)[JO] is Kind.PERMANENT


@pytest.mark.parametrize("code", [200, 250, 299])
def test_a_chunk_for_nobody_cannot_be_taken(code) -> None:
    made = accepted()
    with pytest.raises(OutOfStep):
        made.hear(made.chunk(), Reply(code, b""))


@pytest.mark.parametrize("reply", [Reply(555, b"5.1.8 who?"), Reply(552, b"5.3.4 too big")])
def test_a_refusal_of_the_sender_is_none_of_its_parameters(reply) -> None:
    made = transaction(reply)
    assert (made.unwanted, made.open) == (False, [])


def test_in_doubt_nothing_is_known_but_what_was_firm() -> None:
    made = transaction(OK, OK, Reply(550, b"5.1.1 no"))
    made.doubt()
    assert (made.open, made.refused(), made.refuses) == ([JO, ANN], {}, False)
    firm = transaction(OK, OK, Reply(550, b"5.1.1 no"))
    firm.confirm()
    firm.doubt()
    assert (firm.open, firm.refused()) == ([JO], {ANN: (550, b"5.1.1 no")})


def test_in_doubt_no_parameter_and_no_command_is_given_up() -> None:
    made = Transaction(Mail("me@example.test", [JO], b"x"), ALL)
    made.hear(next(made.opening()), Reply(555, b"5.5.4 unknown parameter"))
    assert made.refuses
    made.doubt()
    assert (made.unwanted, made.unchunked, made.refuses) == (False, False, False)


def test_a_message_that_was_answered_is_lost_in_doubt_and_needs_no_reset() -> None:
    made = transaction(OK, OK, OK, Reply(354, b""), OK)
    assert not made.begun
    made.doubt()
    assert kinds(made) == {JO: Kind.AMBIGUOUS, ANN: Kind.AMBIGUOUS}


def test_an_error_says_what_the_server_did() -> None:
    sender = transaction(Reply(553, b"5.7.1 no")).error()
    assert isinstance(sender, smtplib.SMTPSenderRefused)
    assert sender.args == (553, b"5.7.1 no", "me@example.test")
    data = transaction(OK, OK, OK, Reply(451, b"later")).error()
    assert isinstance(data, smtplib.SMTPDataError)
    assert data.args == (451, b"later")
    assert transaction(OK).error() is None


@pytest.mark.parametrize("answers", [(Reply(503, b""),), (OK, Reply(503, b""))])
def test_in_its_order_no_command_is_out_of_order(answers) -> None:
    with pytest.raises(OutOfStep):
        transaction(*answers)


def test_400_is_a_refusal() -> None:
    assert kinds(transaction(OK, Reply(400, b""))) == {JO: Kind.TRANSIENT}


def test_what_was_lost_may_be_lost_again() -> None:
    made = transaction(OK, OK, OK, Reply(354, b""))
    made.lose()
    made.doubt()
    assert made.open == [JO, ANN]
    with pytest.raises(OutOfStep):
        made.hear(made.content(), Reply(300, b""))
