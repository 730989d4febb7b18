"""Errors are mailed to the admins as the guide says, whatever is broken at that moment."""

import logging
import sys
from collections.abc import Iterator
from logging.config import DictConfigurator
from types import ModuleType
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest
from django.test import Client
from django.urls import path
from django.utils.log import AdminEmailHandler

from mailqueue import compat, signals
from mailqueue.errors import EncodeError, PublishError
from mailqueue.log import BORN_OF_A_LOG
from mailqueue.mail import mail_admins, send_mail
from mailqueue.testing import queue_in_memory
from tests.guides.pages import module, run
from tests.procnodes import free_port
from tests.project_app import project_app

ADMIN = "admin@example.test"
DJANGO = logging.getLogger("django")


def broken(request: HttpRequest, rest: str) -> None:
    raise ValueError("the error itself")


urlpatterns = [path("broken/<path:rest>", broken)]
UNMAILABLE = "/broken/" + 40_000 * "x"  # too long for a subject


@pytest.fixture
def logs(settings: Any, monkeypatch: Any, sink: Any) -> ModuleType:
    """The guide's settings, and the module that it shows."""
    made = module("shop.logs", "error-mails", "class ErrorMails")
    shop = ModuleType("shop")
    monkeypatch.setattr(shop, "logs", made, raising=False)
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setitem(sys.modules, "shop.logs", made)
    shown = run("error-mails", "LOGGING")
    shown["MAILERS"]["smtp"]["OPTIONS"] |= {"host": "127.0.0.1", "port": sink.port}
    shown["MAILERS"]["default"]["OPTIONS"]["ledger"] = None
    settings.MAILERS = shown["MAILERS"]
    settings.ADMINS = [("Admin", ADMIN)] if compat.ADMINS_ARE_PAIRS else [ADMIN]
    settings.ROOT_URLCONF = __name__
    if not compat.HAS_MAILERS:
        settings.EMAIL_BACKEND = compat.BRIDGE
    return made


@pytest.fixture
def handled(logs: ModuleType) -> Iterator[list[logging.Handler]]:
    """The handlers of the logger `django`: those of the guide, made as Django makes them."""
    made = DictConfigurator(run("error-mails", "LOGGING")["LOGGING"])
    config: Any = made.config
    for kind in ("filters", "handlers"):
        configure = getattr(made, f"configure_{kind.removesuffix('s')}")
        for name in config[kind]:
            config[kind][name] = configure(config[kind][name])
    kept, DJANGO.handlers = DJANGO.handlers, list(config["handlers"].values())
    yield DJANGO.handlers
    DJANGO.handlers = kept


@pytest.fixture
def no_broker(transactional_db: None) -> Iterator[None]:
    with project_app(f"redis://127.0.0.1:{free_port()}/0"):
        yield


def ask(page: str = "/broken/page") -> int:
    return Client(raise_request_exception=False).get(page).status_code


def test_an_error_is_mailed(handled, sink, db) -> None:
    with queue_in_memory() as deliver:
        assert ask() == 500
        deliver()
    [mail] = sink.mails
    assert mail.message["To"] == ADMIN
    assert "the error itself" in mail.message.get_body().get_content()


@pytest.mark.skipif(not compat.HAS_MAILERS, reason="older handlers are silent about a broker")
def test_djangos_handler_alone_turns_an_error_into_another(handled, no_broker) -> None:
    handled[:] = [AdminEmailHandler()]
    with pytest.raises(PublishError):
        ask()
    with pytest.raises(PublishError), transaction.atomic():
        send_mail("Order", "…", "shop@example.test", ["jo@example.test"])


@pytest.mark.skipif(not compat.HAS_MAILERS, reason="`using` came with Django 6.1")
def test_djangos_handler_with_a_silent_mailer_of_its_own(handled, no_broker, settings) -> None:
    handled[:] = [AdminEmailHandler(using="errors")]
    silent = {**settings.MAILERS["errors"]["OPTIONS"], "fail_silently": True}
    settings.MAILERS = settings.MAILERS | {
        "errors": settings.MAILERS["errors"] | {"OPTIONS": silent}
    }
    assert ask() == 500
    with pytest.raises(EncodeError):
        ask(UNMAILABLE)


@pytest.mark.parametrize("page", ["/broken/page", UNMAILABLE], ids=["broker away", "unmailable"])
def test_a_mail_that_cannot_be_queued_leaves_the_error_as_it_is(
    handled, no_broker, page, capsys
) -> None:
    assert ask(page) == 500
    assert "Logging error" in capsys.readouterr().err


def test_a_commit_is_no_failure_when_its_mail_cannot_be_queued(handled, no_broker, capsys) -> None:
    with transaction.atomic():
        send_mail("Order", "…", "shop@example.test", ["jo@example.test"])
    assert "PublishError" in capsys.readouterr().err


@pytest.mark.parametrize("using", ["default", "errors"])
def test_a_block_that_rolls_back_takes_no_error_mail_along(
    handled, logs, sink, transactional_db, using, monkeypatch
) -> None:
    """The mail of the default mailer is gone, for comparison."""
    monkeypatch.setattr(logs, "mail_admins", lambda *args, **kwargs: through(using, *args))
    with queue_in_memory() as deliver:
        with pytest.raises(KeyError), transaction.atomic():  # noqa: PT012
            DJANGO.error("seen inside of the block")
            raise KeyError
        deliver()
    assert len(sink.mails) == (using == "errors")


def through(using: str, subject: str, text: str) -> None:
    mail_admins(subject, text, using=using)


def test_a_flood_is_few_mails(handled, logs, monkeypatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(logs, "mail_admins", lambda *args, **kwargs: sent.append(args))
    time = [0.0]
    monkeypatch.setattr(logs, "monotonic", lambda: time[0])
    for minute in range(2):
        time[0] = minute * 61
        for _ in range(30):
            DJANGO.error("again")
    assert len(sent) == 20


def test_a_pause_is_one_mail(handled, settings, transactional_db) -> None:
    """A mail server that is away, and the handler at our own logger: no mail begets mail."""
    settings.MAILERS = settings.MAILERS | {
        "smtp": {"OPTIONS": {"host": "127.0.0.1", "port": free_port(), "timeout": 5}}
    }
    ours = logging.getLogger("mailqueue")
    ours.addHandler(handled[0])
    queued: list[str] = []

    def note(sender: object, id: str, **facts: Any) -> None:  # noqa: A002
        queued.append(id)

    signals.queued.connect(note)
    try:
        with queue_in_memory() as deliver:
            send_mail("Order", "…", "shop@example.test", ["jo@example.test"])
            for _ in range(5):
                deliver()
    finally:
        ours.removeHandler(handled[0])
        signals.queued.disconnect(note)
    assert [name.startswith(BORN_OF_A_LOG) for name in queued] == [False, True]
