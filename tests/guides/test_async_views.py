"""Async views send as the guide says, under ASGI."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient
from django.urls import path

from mailqueue.lanes import Lane
from mailqueue.ledger.models import Entry
from mailqueue.mail import send_mail
from mailqueue.testing import queue_in_memory
from tests.guides.pages import run


class Order:
    """What the guide's view saves."""

    def __init__(self, email: str) -> None:
        self.email = email

    def save(self) -> None:
        assert connection.in_atomic_block
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")


async def blocks(request: HttpRequest) -> HttpResponse:
    send_mail("Your order", "…", "shop@example.test", ["you@example.test"])
    return HttpResponse(status=202)


@sync_to_async
def placed_and_refused() -> None:
    with transaction.atomic():
        placing["place"].func(Order("you@example.com"))
        raise ZeroDivisionError


async def rolls_back(request: HttpRequest) -> HttpResponse:
    await placed_and_refused()
    return HttpResponse(status=202)


placing = run("async-views", "transaction.atomic", Order=Order)
urlpatterns = [
    path("plain/", run("async-views", "await sync_to_async(send_mail)")["order"]),
    path("placing/", placing["order"]),
    path("blocks/", blocks),
    path("rolls-back/", rolls_back),
]


@pytest.fixture(params=[None, "database"], ids=["broker alone", "ledger"])
def ledger(request: Any, settings: Any, sink: Any, transactional_db: None) -> Any:
    settings.ROOT_URLCONF = __name__
    smtp = {"OPTIONS": {"host": "127.0.0.1", "port": sink.port}}
    queue = {
        "BACKEND": "mailqueue.backends.queue.EmailBackend",
        "OPTIONS": {"using": "smtp", "ledger": request.param},
    }
    settings.MAILERS = {"default": queue, "smtp": smtp}
    yield request.param
    Entry.objects.all().delete()


def ask(page: str) -> int:
    return async_to_sync(AsyncClient().post)(page, {"email": "you@example.com"}).status_code


@pytest.mark.parametrize("page", ["/plain/", "/placing/"])
def test_what_is_sent_in_a_thread_arrives(ledger, sink, page) -> None:
    with queue_in_memory() as deliver:
        assert ask(page) == 202
        deliver()
    assert sink.copies() == {"you@example.com": 1}


def test_a_block_that_rolls_back_sends_nothing(ledger, sink) -> None:
    with queue_in_memory() as deliver:
        with pytest.raises(ZeroDivisionError):
            ask("/rolls-back/")
        assert deliver() == 0


def test_a_plain_call_is_refused_or_runs_where_it_blocks(ledger, monkeypatch) -> None:
    loops: list[object] = []
    monkeypatch.setattr(
        Lane, "publish", lambda *args, **kwargs: loops.append(asyncio.get_running_loop())
    )
    with queue_in_memory():
        if ledger:
            with pytest.raises(SynchronousOnlyOperation):
                ask("/blocks/")
        else:
            assert ask("/blocks/") == 202
            assert loops


def test_django_refuses_atomic_requests(ledger, monkeypatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with pytest.raises(RuntimeError, match="ATOMIC_REQUESTS"):
        ask("/plain/")
