"""What each exception, and each result, of a target means for each recipient."""

import email.errors
import http.client
import json
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from anymail import exceptions as anymail
from anymail.message import AnymailRecipientStatus, AnymailStatus
from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from hypothesis import given
from hypothesis import strategies as st

from mailqueue.errors import DeliveryError, PermanentDeliveryError, TransientDeliveryError
from mailqueue.mail.exceptions import InvalidMailer, MailerDoesNotExist
from mailqueue.outcome.exceptions import classifier, classify
from mailqueue.outcome.marks import opening
from mailqueue.outcome.outcome import Kind, Outcome, Stage
from mailqueue.outcome.report import checked, counted

JO, ANN = "jo@example.test", "Ann <ann@example.test>"


def response(status: int, body: bytes = b"jo@example.test", **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = status, body
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


def api_error(status: int, **headers: str) -> Exception:
    error: Exception = anymail.AnymailRequestsAPIError(response=response(status, **headers))
    return error


def api_cause(cause: Exception) -> Exception:
    """Raise it as anymail's post_to_esp() does."""
    kind = type("AnymailRequestsAPIError", (anymail.AnymailRequestsAPIError, type(cause)), {})
    try:
        raise kind("Error posting") from cause
    except anymail.AnymailRequestsAPIError as error:
        return error  # type: ignore[no-any-return]


def boto(code: str, status: int) -> Exception:
    body = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = anymail.AnymailAPIError("jo@example.test", response=body)
    return error


def boto_without_more() -> Exception:
    """An error of the service that names no cause and no status."""
    error = boto("", 400)
    error.response = {}  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "kind", "stage", "code"),
    [
        # a backend that says what it means
        (TransientDeliveryError(code=451), Kind.TRANSIENT, Stage.DATA, 451),
        (TransientDeliveryError(code=429), Kind.RATE_LIMITED, Stage.DATA, 429),
        (PermanentDeliveryError(JO, code=421), Kind.PERMANENT, Stage.DATA, 421),
        (DeliveryError(code=550), Kind.PERMANENT, Stage.DATA, 550),
        (DeliveryError(), Kind.TRANSIENT, Stage.DATA, None),
        # smtplib
        (smtplib.SMTPSenderRefused(553, b"5.7.1", JO), Kind.PERMANENT, Stage.SENDER, 553),
        (smtplib.SMTPSenderRefused(452, b"", JO), Kind.TRANSIENT, Stage.SENDER, 452),
        (smtplib.SMTPDataError(554, b"5.6.0"), Kind.PERMANENT, Stage.DATA, 554),
        (smtplib.SMTPDataError(451, b""), Kind.TRANSIENT, Stage.DATA, 451),
        (smtplib.SMTPDataError(250, b"ok"), Kind.TRANSIENT, Stage.DATA, 250),
        (smtplib.SMTPAuthenticationError(535, b""), Kind.CONFIGURATION, Stage.AUTH, 535),
        (smtplib.SMTPAuthenticationError(454, b"4.7.0"), Kind.TRANSIENT, Stage.AUTH, 454),
        (smtplib.SMTPAuthenticationError(432, b"4.7.12"), Kind.TRANSIENT, Stage.AUTH, 432),
        (smtplib.SMTPConnectError(554, b"no"), Kind.TRANSIENT, Stage.CONNECT, 554),
        (smtplib.SMTPConnectError(421, b""), Kind.RATE_LIMITED, Stage.CONNECT, 421),
        (smtplib.SMTPHeloError(501, b""), Kind.TRANSIENT, Stage.CONNECT, 501),
        (smtplib.SMTPResponseException(454, b""), Kind.TRANSIENT, Stage.TLS, 454),
        (smtplib.SMTPNotSupportedError(), Kind.CONFIGURATION, Stage.CONNECT, None),
        (smtplib.SMTPServerDisconnected(JO), Kind.TRANSIENT, Stage.CONNECT, None),
        (smtplib.SMTPException("No suitable"), Kind.CONFIGURATION, Stage.AUTH, None),
        # network
        (ssl.SSLCertVerificationError("x"), Kind.CONFIGURATION, Stage.TLS, None),
        (ssl.SSLError("x"), Kind.TRANSIENT, Stage.TLS, None),
        (ssl.SSLEOFError("x"), Kind.TRANSIENT, Stage.TLS, None),
        (TimeoutError(), Kind.TRANSIENT, Stage.CONNECT, None),
        (socket.gaierror(-2, "x"), Kind.TRANSIENT, Stage.CONNECT, None),
        (ConnectionRefusedError(), Kind.TRANSIENT, Stage.CONNECT, None),
        (OSError("x"), Kind.TRANSIENT, Stage.CONNECT, None),
        # the message
        (ValueError(JO), Kind.PERMANENT, Stage.MESSAGE, None),
        (UnicodeEncodeError("ascii", "\u00e9", 0, 1, JO), Kind.PERMANENT, Stage.MESSAGE, None),
        (LookupError("unknown encoding: x"), Kind.PERMANENT, Stage.MESSAGE, None),
        (email.errors.HeaderParseError(JO), Kind.PERMANENT, Stage.MESSAGE, None),
        # configuration
        (ImproperlyConfigured("x"), Kind.CONFIGURATION, Stage.CONNECT, None),
        (ModuleNotFoundError("x"), Kind.CONFIGURATION, Stage.CONNECT, None),
        (anymail.AnymailConfigurationError("x"), Kind.CONFIGURATION, Stage.CONNECT, None),
        (anymail.AnymailImproperlyInstalled("x"), Kind.CONFIGURATION, Stage.CONNECT, None),
        # anymail and HTTP
        (api_error(429), Kind.RATE_LIMITED, Stage.DATA, 429),
        (api_error(408), Kind.TRANSIENT, Stage.DATA, 408),
        (api_error(503), Kind.TRANSIENT, Stage.DATA, 503),
        (api_error(401), Kind.CONFIGURATION, Stage.DATA, 401),
        (api_error(403), Kind.CONFIGURATION, Stage.DATA, 403),
        *(
            (api_error(n), Kind.CONFIGURATION, Stage.DATA, n)
            for n in (300, 302, 399, 402, 404, 407)
        ),
        *((api_error(n), Kind.PERMANENT, Stage.DATA, n) for n in (400, 406, 413, 422)),
        (api_error(299), Kind.AMBIGUOUS, Stage.ACCEPTED, 299),
        (api_error(200), Kind.AMBIGUOUS, Stage.ACCEPTED, 200),
        (requests.HTTPError(response=response(500)), Kind.TRANSIENT, Stage.DATA, 500),
        (api_cause(requests.ReadTimeout()), Kind.AMBIGUOUS, Stage.ACCEPTED, None),
        (api_cause(requests.ConnectTimeout()), Kind.TRANSIENT, Stage.CONNECT, None),
        (api_cause(requests.ConnectionError("x")), Kind.TRANSIENT, Stage.CONNECT, None),
        (requests.ReadTimeout(), Kind.AMBIGUOUS, Stage.ACCEPTED, None),
        (requests.ConnectTimeout(), Kind.TRANSIENT, Stage.CONNECT, None),
        (json.JSONDecodeError("x", JO, 0), Kind.AMBIGUOUS, Stage.ACCEPTED, None),
        (boto("ThrottlingException", 400), Kind.RATE_LIMITED, Stage.DATA, 429),
        (boto("TooManyRequestsException", 400), Kind.RATE_LIMITED, Stage.DATA, 429),
        (boto("LimitExceededException", 400), Kind.RATE_LIMITED, Stage.DATA, 429),
        (boto_without_more(), Kind.TRANSIENT, Stage.DATA, 500),
        (boto("MessageRejected", 400), Kind.PERMANENT, Stage.DATA, 400),
        (boto("InternalFailure", 500), Kind.TRANSIENT, Stage.DATA, 500),
        (anymail.AnymailInvalidAddress(JO), Kind.PERMANENT, Stage.MESSAGE, None),
        (anymail.AnymailUnsupportedFeature(JO), Kind.PERMANENT, Stage.MESSAGE, None),
        (anymail.AnymailSerializationError(JO), Kind.PERMANENT, Stage.MESSAGE, None),
        (anymail.AnymailRecipientsRefused(), Kind.PERMANENT, Stage.RECIPIENT, None),
        (anymail.AnymailCancelSend(), Kind.PERMANENT, Stage.RECIPIENT, None),
        # nobody knows
        (RuntimeError(JO), Kind.TRANSIENT, Stage.UNKNOWN, None),
        (KeyError(JO), Kind.TRANSIENT, Stage.UNKNOWN, None),
        (MemoryError(), Kind.TRANSIENT, Stage.UNKNOWN, None),
        # of the task, and so not counted with those
        (SoftTimeLimitExceeded(), Kind.TRANSIENT, Stage.DATA, None),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, Exception) else str(value),
)
def test_exception(error: Exception, kind: Kind, stage: Stage, code: int | None) -> None:
    outcomes = classify(error, [JO, ANN])
    assert set(outcomes) == {JO, ANN}
    for outcome in outcomes.values():
        assert (outcome.kind, outcome.stage, outcome.code) == (kind, stage, code)
        assert outcome.reason
        assert "@" not in outcome.reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (api_error(400), "request refused (permanent)"),
        (api_error(401), "credentials refused (configuration)"),
        (api_error(404), "account or address of the API refused (configuration)"),
        (api_error(429), "too many requests (rate limited)"),
        (api_error(503), "provider not available (transient)"),
        (api_error(200), "answer to the request not understood (ambiguous)"),
        (ValueError(JO), "message cannot be made (permanent)"),
        (anymail.AnymailCancelSend(), "refused by the provider (permanent)"),
    ],
    ids=str,
)
def test_reason(error: Exception, reason: str) -> None:
    assert classify(error, [JO])[JO].reason == reason


def test_mailer_errors_of_this_django_are_configuration() -> None:
    for error in InvalidMailer("x"), MailerDoesNotExist(alias="x"):
        assert classify(error, [JO])[JO].kind is Kind.CONFIGURATION


def test_unknown_exception_is_named_by_its_type_only() -> None:
    assert classify(RuntimeError(JO), [JO])[JO].reason == "unknown error RuntimeError (transient)"


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 120.0),
        ("Fri, 31 Dec", None),
        ("-1", None),
        ("604800", 3600.0),
        ("1" + "0" * 400, None),
    ],
)
def test_retry_after_header(value: str, wait: float | None) -> None:
    assert classify(api_error(429, Retry_After=value), [JO])[JO].retry_after == wait


def test_an_answer_that_has_no_headers_is_read_all_the_same() -> None:
    error = anymail.AnymailAPIError(response=SimpleNamespace(status_code=503))
    outcome = classify(error, [JO])[JO]
    assert (outcome.kind, outcome.code, outcome.retry_after) == (Kind.TRANSIENT, 503, None)


def test_retry_after_of_a_week_is_an_hour() -> None:
    """Obeyed, it made the mail "too old" at once and its mailer pause for a week."""
    assert classify(TransientDeliveryError(retry_after=604800), [JO])[JO].retry_after == 3600
    assert classify(TransientDeliveryError(retry_after=10**400), [JO])[JO].retry_after is None
    told = Outcome(kind=Kind.RATE_LIMITED, stage=Stage.DATA, retry_after=604800.0)
    assert checked({JO: told}, [JO])[0][JO].retry_after == 3600


def in_opening(error: BaseException) -> Outcome:
    with pytest.raises(type(error)) as raised, opening():
        raise error
    outcomes = classify(raised.value, [JO, ANN])
    assert set(outcomes) == {JO, ANN}
    return outcomes[JO]


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "kind", "stage"),
    [
        (ValueError(f"token of {JO} expired"), Kind.CONFIGURATION, Stage.CONNECT),
        (KeyError("token"), Kind.CONFIGURATION, Stage.CONNECT),
        (LookupError("unknown encoding"), Kind.CONFIGURATION, Stage.CONNECT),
        (UnicodeEncodeError("ascii", "\u00e9", 0, 1, "no"), Kind.CONFIGURATION, Stage.CONNECT),
        (OwnError(), Kind.CONFIGURATION, Stage.CONNECT),
        (PermanentDeliveryError(code=550), Kind.CONFIGURATION, Stage.CONNECT),
        (TransientDeliveryError(), Kind.TRANSIENT, Stage.CONNECT),
        (DeliveryError(code=429, retry_after=5), Kind.RATE_LIMITED, Stage.CONNECT),
        (json.JSONDecodeError("x", "", 0), Kind.TRANSIENT, Stage.CONNECT),
        (TimeoutError(), Kind.TRANSIENT, Stage.CONNECT),
        (ssl.SSLError(), Kind.TRANSIENT, Stage.TLS),
        (smtplib.SMTPAuthenticationError(535, b"no"), Kind.CONFIGURATION, Stage.AUTH),
        (smtplib.SMTPAuthenticationError(454, b"4.7.0 later"), Kind.TRANSIENT, Stage.AUTH),
        (smtplib.SMTPAuthenticationError(421, b"4.3.2 bye"), Kind.RATE_LIMITED, Stage.AUTH),
        (smtplib.SMTPSenderRefused(550, b"no", ""), Kind.CONFIGURATION, Stage.CONNECT),
        (smtplib.SMTPRecipientsRefused({JO: (550, b"no")}), Kind.TRANSIENT, Stage.CONNECT),
        (anymail.AnymailInvalidAddress(), Kind.CONFIGURATION, Stage.CONNECT),
        (ImproperlyConfigured(), Kind.CONFIGURATION, Stage.CONNECT),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, Exception) else str(value),
)
def test_what_fails_in_opening_is_no_fault_of_a_message(
    error: Exception, kind: Kind, stage: Stage
) -> None:
    outcome = in_opening(error)
    assert (outcome.kind, outcome.stage) == (kind, stage)
    assert "@" not in outcome.reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.CONFIGURATION),
        (401, Kind.CONFIGURATION),
        (429, Kind.RATE_LIMITED),
        (503, Kind.TRANSIENT),
        (200, Kind.TRANSIENT),
    ],
)
def test_http_in_opening(status: int, kind: Kind) -> None:
    outcome = in_opening(api_error(status))
    assert (outcome.kind, outcome.stage, outcome.code) == (kind, Stage.CONNECT, status)


@pytest.mark.parametrize(
    ("error", "stage"),
    [
        (SoftTimeLimitExceeded(), Stage.DATA),
        (MemoryError(), Stage.UNKNOWN),
        (RecursionError(), Stage.UNKNOWN),
    ],
)
def test_what_may_come_anywhere_says_nothing_of_the_mailer(error: Exception, stage: Stage) -> None:
    outcome = in_opening(error)
    assert (outcome.kind, outcome.stage) == (Kind.TRANSIENT, stage)


def test_same_error_outside_of_opening_is_the_message_s() -> None:
    assert classify(ValueError(), [JO])[JO].kind is Kind.PERMANENT


def write_head(url: str, token: str) -> None:
    request = http.client.HTTPConnection("localhost")
    request.putrequest("POST", url)
    request.putheader("Authorization", token)


@pytest.mark.parametrize(
    ("url", "token"), [("/send", "tok\u2026en"), ("/s\u00e9nd", "token"), ("/send", "to\nken")]
)
def test_a_request_whose_head_cannot_be_written_is_the_mailer_s_fault(url, token) -> None:
    with pytest.raises(ValueError, match=r"codec|Invalid header") as raised:
        write_head(url, token)
    found = classify(raised.value, [JO])[JO]
    assert (found.kind, found.stage) == (Kind.CONFIGURATION, Stage.CONNECT)


def test_a_token_that_no_header_can_have_is_the_mailer_s_fault() -> None:
    with socket.create_server(("localhost", 0)) as server:
        url = f"http://localhost:{server.getsockname()[1]}"
        with pytest.raises(UnicodeEncodeError) as raised:
            requests.post(url, "content", headers={"Authorization": "tok\u2026en"}, timeout=5)
    assert classify(raised.value, [JO])[JO].kind is Kind.CONFIGURATION


def test_own_classifier_has_the_word_on_opening_too() -> None:
    with pytest.raises(ValueError, match="x") as raised, opening():
        raise ValueError("x")
    assert classifier(None)(raised.value, [JO])[JO].kind is Kind.CONFIGURATION
    first = classifier(f"{__name__}.quota")
    assert first(raised.value, [JO])[JO].kind is Kind.RATE_LIMITED


def quota(error: BaseException, recipients: list[str], message: object) -> dict[str, Outcome]:
    return dict.fromkeys(recipients, Outcome(kind=Kind.RATE_LIMITED, stage=Stage.CONNECT))


def test_retry_after_of_our_own_errors() -> None:
    assert classify(TransientDeliveryError(retry_after=60), [JO])[JO].retry_after == 60
    assert classify(TransientDeliveryError(retry_after=float("nan")), [JO])[JO].retry_after is None


class TestRecipientsRefused:
    def test_each_by_its_own_reply(self) -> None:
        error = smtplib.SMTPRecipientsRefused(
            {"jo@example.test": (550, b"5.1.1 no"), "ann@example.test": (450, b"4.2.0 later")}
        )
        outcomes = classify(error, [JO, ANN])
        assert outcomes[JO].kind is Kind.PERMANENT
        assert outcomes[ANN].kind is Kind.TRANSIENT
        assert outcomes[ANN].enhanced == "4.2.0"

    def test_421_holds_back_the_accepted_too(self) -> None:
        error = smtplib.SMTPRecipientsRefused({"ann@example.test": (421, b"4.3.2 bye")})
        assert {o.kind for o in classify(error, [JO, ANN]).values()} == {Kind.RATE_LIMITED}

    def test_recipients_without_a_reply_are_tried_again(self) -> None:
        error = smtplib.SMTPRecipientsRefused({"ann@example.test": (550, b"")})
        assert classify(error, [JO, ANN])[JO].kind is Kind.TRANSIENT

    def test_international_domain_is_matched_in_both_forms(self) -> None:
        error = smtplib.SMTPRecipientsRefused({"jo@xn--bcher-kva.example": (550, b"")})
        recipient = "Jo <jo@B\u00fccher.example>"
        assert classify(error, [recipient])[recipient].kind is Kind.PERMANENT


class TestAnymailStatuses:
    @pytest.fixture
    def message(self) -> EmailMessage:
        message = EmailMessage(to=[JO, ANN])
        status = AnymailStatus()
        status.set_recipient_status(
            {
                "jo@example.test": AnymailRecipientStatus("id-1", "queued"),
                "ann@example.test": AnymailRecipientStatus(None, "rejected"),
            }
        )
        message.anymail_status = status  # type: ignore[attr-defined]
        return message

    def test_partial_refusal_raises_nothing(self, message: EmailMessage) -> None:
        outcomes = counted(1, [JO, ANN], message)
        assert (outcomes[JO].kind, outcomes[JO].queue_id) == (Kind.SENT, "id-1")
        assert outcomes[ANN].kind is Kind.PERMANENT

    @pytest.mark.parametrize("status", [None, "", "unknown", "held for review"])
    def test_a_status_of_no_known_name_is_that_of_what_was_taken(
        self, message: EmailMessage, status: str | None
    ) -> None:
        noted = AnymailRecipientStatus(None, None)
        noted.status = status
        message.anymail_status.recipients["jo@example.test"] = noted  # type: ignore[attr-defined]
        outcome = counted(1, [JO, ANN], message)[JO]
        assert (outcome.kind, outcome.reason, outcome.queue_id) == (Kind.SENT, "accepted", None)

    def test_each_status_has_its_reason(self, message: EmailMessage) -> None:
        outcomes = counted(1, [JO, ANN], message)
        assert outcomes[JO].reason == "accepted"
        assert outcomes[ANN].reason == "mailbox on the provider's block list (permanent)"

    def test_all_refused(self, message: EmailMessage) -> None:
        status = message.anymail_status  # type: ignore[attr-defined]
        status.recipients["jo@example.test"].status = "failed"
        error = anymail.AnymailRecipientsRefused(email_message=message)
        outcomes = classify(error, [JO, ANN])
        assert outcomes[JO].kind is Kind.TRANSIENT
        assert outcomes[ANN].kind is Kind.PERMANENT


@pytest.mark.parametrize("result", [0, None, False, True, "1", 1.0, -1, [1]])
def test_only_a_whole_number_above_zero_is_sent(result: object) -> None:
    outcome = counted(result, [JO])[JO]
    assert (outcome.kind, outcome.stage) == (Kind.TRANSIENT, Stage.UNKNOWN)


def test_sent() -> None:
    assert counted(1, [JO, ANN])[ANN].kind is Kind.SENT


@contextmanager
def server(conversation: Callable[[socket.socket, Any], None]) -> Iterator[int]:
    """Run one scripted SMTP conversation."""

    def serve() -> None:
        client, _ = listener.accept()
        with client, client.makefile("rwb", buffering=0) as stream:
            conversation(client, stream)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def talk(stream: Any, *, final: bytes | None, before_data: bytes = b"354 go\r\n") -> None:
    stream.write(b"220 x\r\n")
    while line := stream.readline():
        if line.upper().startswith(b"DATA"):
            stream.write(before_data)
            if not before_data.startswith(b"354"):
                return
            while stream.readline() not in (b".\r\n", b""):
                pass
            if final is not None:
                stream.write(final)
            return
        stream.write(b"250 ok\r\n")


@pytest.mark.parametrize(
    ("final", "before_data", "kind"),
    [
        (None, b"354 go\r\n", Kind.AMBIGUOUS),  # hung up after the dot
        (b"what\r\n", b"354 go\r\n", Kind.AMBIGUOUS),
        (b"354 again\r\n", b"354 go\r\n", Kind.AMBIGUOUS),
        (b"451 no\r\n", b"354 go\r\n", Kind.TRANSIENT),
        (b"554 no\r\n", b"354 go\r\n", Kind.PERMANENT),
        (b"421 no\r\n", b"354 go\r\n", Kind.RATE_LIMITED),
        (None, b"", Kind.TRANSIENT),  # hung up at DATA
        (None, b"what\r\n", Kind.TRANSIENT),
        (None, b"250 late\r\n", Kind.TRANSIENT),
    ],
)
def test_smtplib_before_and_after_the_dot(
    final: bytes | None, before_data: bytes, kind: Kind
) -> None:
    """smtplib says "disconnected" for both; only one of them may be sent again freely."""
    with server(lambda _, stream: talk(stream, final=final, before_data=before_data)) as port:
        connection = smtplib.SMTP("127.0.0.1", port, timeout=5)
        with pytest.raises(smtplib.SMTPException) as error:
            connection.sendmail(JO, [JO], b"Subject: x\r\n\r\nx\r\n")
        connection.close()
    assert classify(error.value, [JO])[JO].kind is kind


class ReadsAnswersItself(smtplib.SMTP):
    """As a client does that logs what it hears, or counts it."""

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        if text == b"queued":
            raise smtplib.SMTPServerDisconnected("cannot be read")
        return code, text


def test_an_answer_that_a_client_of_the_projects_own_cannot_read_is_lost() -> None:
    with server(lambda _, stream: talk(stream, final=b"250 queued\r\n")) as port:
        connection = ReadsAnswersItself("127.0.0.1", port, timeout=5)
        with pytest.raises(smtplib.SMTPServerDisconnected) as error:
            connection.sendmail(JO, [JO], b"Subject: x\r\n\r\nx\r\n")
        connection.close()
    assert classify(error.value, [JO])[JO].kind is Kind.AMBIGUOUS


@given(st.integers(-1, 599), st.binary(max_size=30))
def test_nothing_raised_is_ever_sent(code: int, text: bytes) -> None:
    for kind in smtplib.SMTPDataError, smtplib.SMTPConnectError, smtplib.SMTPAuthenticationError:
        assert classify(kind(code, text), [JO])[JO].kind is not Kind.SENT


@pytest.mark.parametrize(
    "error",
    [
        smtplib.SMTPDataError(-1, b"not an answer"),  # what smtplib makes of one
        smtplib.SMTPSenderRefused(99999, b"x", "from@example.test"),
        smtplib.SMTPSenderRefused("451", "x", "from@example.test"),
        TransientDeliveryError(code=70000),
        TransientDeliveryError(code="busy"),
        TransientDeliveryError(enhanced=5),
        TransientDeliveryError(enhanced="4.\0"),
    ],
)
def test_whatever_an_error_holds_its_outcome_can_be_kept(error):
    [outcome] = classify(error, ["a@example.test"]).values()
    assert outcome.code is None or 0 <= outcome.code <= 999
    for text in (outcome.reason, outcome.enhanced or ""):
        assert text.isprintable()
