"""An address that is accepted arrives; one that SMTP cannot carry is an error in the caller."""

import enum
import re

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.test import override_settings

import mailqueue.mail
from mailqueue import compat
from mailqueue.errors import EncodeError
from mailqueue.lanes import lane_of
from mailqueue.mail import mailers
from mailqueue.testing.memory import queue_in_memory
from tests.mail.test_addresses import CARRIED, REFUSED
from tests.smtp.scripted import EVERYTHING, Server

QUEUE = "mailqueue.backends.queue.EmailBackend"
OURS = "mailqueue.backends.smtp.EmailBackend"
DJANGOS = "django.core.mail.backends.smtp.EmailBackend"
TARGETS = [OURS, *([DJANGOS] if compat.HAS_MAILERS else [])]  # before 6.1 ours stands for it
CLASSES = [EmailMessage, mailqueue.mail.EmailMessage]
GOOD = ["good@example.test", "fine@example.test"]


class Lenient(BaseEmailBackend):
    """A target that reads addresses in its own way."""

    taken: list[EmailMessage] = []

    def send_messages(self, messages):
        self.taken.extend(messages)
        return len(messages)


@pytest.fixture
def server():
    with Server(extensions=EVERYTHING) as running:
        yield running


def settings_for(backend, **options):
    return override_settings(
        MAILERS={
            "default": {"BACKEND": QUEUE, "OPTIONS": {"using": "target", "ledger": None}},
            "target": {"BACKEND": backend, "OPTIONS": options},
        }
    )


def smtp(server, backend):
    return settings_for(backend, host="127.0.0.1", port=server.port, timeout=10)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("backend", TARGETS)
def test_what_smtp_carries_arrives_whoever_delivers(server, backend, cls):
    # Django's own backend takes the quotes of a local part off; the server here reads no blanks.
    pairs = [
        (address, spec)
        for address, spec in CARRIED
        if " " not in spec and (backend == OURS or not re.search(r'\.[."]', spec))
    ]
    with smtp(server, backend), queue_in_memory() as deliver:
        for address, _ in pairs:
            message = cls("S", "B", address, [address], bcc=[GOOD[0]])
            assert mailers["default"].send_messages([message]) == 1
        deliver()
    for (_, spec), taken in zip(pairs, server.taken, strict=True):
        assert taken.sender == spec
        assert taken.recipients == (spec, GOOD[0])


@pytest.mark.parametrize("backend", TARGETS)
@pytest.mark.parametrize("field", ["from_email", "to", "cc", "bcc"])
@pytest.mark.parametrize(
    "address", [address for address, why in REFUSED if address.strip() and why != "non-ASCII"]
)
def test_what_it_does_not_carry_is_told_at_once(server, backend, field, address):
    message = EmailMessage("S", "B", "f@example.test", [GOOD[0]], cc=[GOOD[1]])
    if field == "from_email":
        message.from_email = address
    else:
        getattr(message, field).append(address)
    with smtp(server, backend), queue_in_memory() as deliver:
        with pytest.raises((EncodeError, ValueError)) as raised:
            mailers["default"].send_messages([EmailMessage("S", "B", "f@a.test", GOOD), message])
        assert deliver() == 0
    assert "example" not in str(raised.value)
    if isinstance(raised.value, EncodeError):
        assert str(raised.value).startswith(f"{field}:" if field == "from_email" else f"{field}[")


def test_the_error_names_field_and_reason(server):
    message = EmailMessage("S", "B", "f@example.test", GOOD, bcc=["Lee, Kevin <lee@example.test>"])
    with smtp(server, OURS), pytest.raises(EncodeError) as raised:
        mailers["default"].send_messages([message])
    expected = "bcc[0]: no address that SMTP carries: a comma outside of quotes"
    assert str(raised.value) == expected
    assert raised.value.__cause__ is raised.value.__context__ is None  # which had the address


def test_none_is_no_sender(server, settings):
    settings.DEFAULT_FROM_EMAIL = None
    with smtp(server, OURS), pytest.raises(EncodeError, match=r"^from_email: .* empty"):
        mailers["default"].send_messages([EmailMessage("S", "B", None, GOOD)])


def test_recipients_of_a_messages_own_are_looked_at(server):
    class Own(EmailMessage):
        def recipients(self):
            return ["x@example.test, y@example.test"]

    with smtp(server, OURS), pytest.raises(EncodeError, match=r"^recipients\(\)\[0\]: .*single"):
        mailers["default"].send_messages([Own("S", "B", "f@example.test", GOOD)])


def test_the_member_of_an_enumeration_is_its_address(server):
    class People(str, enum.Enum):  # noqa: UP042 (whose `str()` is another one)
        ADMIN = "admin@example.test"

    with smtp(server, OURS), queue_in_memory() as deliver:
        message = EmailMessage("S", "B", People.ADMIN, [People.ADMIN])
        assert mailers["default"].send_messages([message]) == 1
        deliver()
    [taken] = server.taken
    assert (taken.sender, taken.recipients) == ("admin@example.test", ("admin@example.test",))
    assert b"\r\nTo: admin@example.test\r\n" in taken.content


def test_an_empty_recipient_is_none_as_in_django(server):
    with smtp(server, OURS), queue_in_memory() as deliver:
        message = EmailMessage("S", "B", "f@example.test", ["", *GOOD])
        assert mailers["default"].send_messages([message]) == 1
        deliver()
    assert server.taken[0].recipients == tuple(GOOD)


def test_smtputf8_is_left_to_the_server_that_may_offer_it(server):
    with smtp(server, OURS), queue_in_memory() as deliver:
        message = EmailMessage("S", "B", "f@example.test", ["jö@bücher.test"])
        assert mailers["default"].send_messages([message]) == 1
        deliver()
    assert server.taken[0].recipients == ("jö@xn--bcher-kva.test",)


@pytest.mark.skipif(not compat.HAS_MAILERS, reason="before 6.1 ours stands for Django's backend")
def test_djangos_backend_has_no_smtputf8(server):
    with smtp(server, DJANGOS), pytest.raises(EncodeError, match=r"^to\[0\]: .*non-ASCII"):
        mailers["default"].send_messages([EmailMessage("S", "B", "f@a.test", ["jö@a.test"])])


@pytest.mark.parametrize("address", ["Lee, Kevin <lee@example.test>", "a@a.test, b@b.test", "x:;"])
def test_another_target_may_take_what_smtp_does_not(address):
    Lenient.taken.clear()
    with settings_for(f"{__name__}.Lenient"), queue_in_memory() as deliver:
        mailers["default"].send_messages([EmailMessage("S", "B", address, [address])])
        deliver()
    [taken] = Lenient.taken
    assert (taken.from_email, taken.to) == (address, [address])


def test_another_target_gets_an_address_as_it_was_written():
    Lenient.taken.clear()
    with settings_for(f"{__name__}.Lenient"), queue_in_memory() as deliver:
        mailers["default"].send_messages([EmailMessage("S", "B", "Shop Inc. <s@a.test>", GOOD)])
        deliver()
    assert Lenient.taken[0].from_email == "Shop Inc. <s@a.test>"


@pytest.mark.parametrize("field", ["reply_to", "headers"])
def test_idna_makes_no_other_address_in_a_header(server, field):
    address = "a@evil.test\uff1e"
    fields = {"reply_to": [address]} if field == "reply_to" else {"headers": {"Sender": address}}
    with smtp(server, OURS), pytest.raises(EncodeError, match=rf"^{field}.*its domain"):
        mailers["default"].send_messages([EmailMessage("S", "B", "f@a.test", GOOD, **fields)])


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"target": {"BACKEND": OURS}}, False),
        ({"target": {"BACKEND": DJANGOS}}, compat.HAS_MAILERS),
        ({"target": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}, None),
        ({"target": {"BACKEND": "no.such.Backend"}}, None),
        (
            {
                "target": {"BACKEND": f"{__name__}.Lenient", "OPTIONS": {"using": "relay"}},
                "relay": {"BACKEND": OURS},
            },
            False,
        ),
        (
            {
                "target": {
                    "BACKEND": f"{__name__}.Lenient",
                    "OPTIONS": {"using": ["relay", "esp"]},
                },
                "relay": {"BACKEND": OURS},
                "esp": {"BACKEND": f"{__name__}.Lenient"},
            },
            None,
        ),
    ],
)
def test_who_delivers_says_which_addresses_are_taken(entries, expected):
    queue = {"default": {"BACKEND": QUEUE, "OPTIONS": {"using": "target", "ledger": None}}}
    with override_settings(MAILERS=queue | entries):
        assert lane_of("default").force_ascii is expected


def backend_of_a_function(*args, **kwargs):
    """A BACKEND may be any callable."""
    return Lenient(*args, **kwargs)


@pytest.mark.parametrize("path", [f"{__name__}.backend_of_a_function", "broken_backend.Backend"])
def test_a_sender_needs_no_class_of_the_target(path, tmp_path, monkeypatch):
    (tmp_path / "broken_backend.py").write_text("raise RuntimeError('no key')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with settings_for(path):
        assert mailers["default"].lane.force_ascii is None
