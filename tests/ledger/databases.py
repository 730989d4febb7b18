"""The databases that the ledger is tested on: those that run, else own ones."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management import call_command
from django.db import OperationalError, connections

from tests.ledger.servers import own_server

DEFAULTS = {
    "postgresql": "postgresql://postgres@127.0.0.1:5432",
    "mariadb": "mariadb://root@127.0.0.1:3306",
}
ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgresql": "django.db.backends.postgresql",
    "mariadb": "django.db.backends.mysql",
}
KINDS = tuple(ENGINES)


@contextmanager
def database(kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Make a database with the ledger's table; give its settings. The alias is the kind."""
    if kind == "sqlite":
        settings = {
            "ENGINE": ENGINES[kind],
            "NAME": str(folder / "ledger.sqlite3"),
            "OPTIONS": {"timeout": 30, "init_command": "PRAGMA journal_mode = WAL"},
        }
        yield from migrated(kind, settings)
        return
    with running(kind) as server, empty_database(kind, server) as settings:
        yield from migrated(kind, settings)


@contextmanager
def empty_database(kind: str, server: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Make a database that nobody else uses; give its settings."""
    name = f"mailqueue_{uuid.uuid4().hex[:12]}"
    run_on(kind, server, f"CREATE DATABASE {name}")
    try:
        yield server | {"NAME": name}
    finally:
        run_on(kind, server, f"DROP DATABASE {name}")


@contextmanager
def running(kind: str) -> Iterator[dict[str, Any]]:
    """Give how to reach a server: the one asked for, else a running one, else an own one."""
    url = os.environ.get(f"MAILQUEUE_TEST_{kind.upper()}_URL")
    server = server_settings(kind, url or DEFAULTS[kind])
    try:
        run_on(kind, server, "SELECT 1")
    except OperationalError as error:
        if url:
            raise
        why = str(error)
    else:
        yield server
        return
    with own_server(kind, why) as own:
        server = server_settings(kind, own)
        wait_for(kind, server)
        yield server


def wait_for(kind: str, server: dict[str, Any]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            return run_on(kind, server, "SELECT 1")
        except OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def have_mysql_driver() -> None:
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        import pymysql

        pymysql.install_as_MySQLdb()


def server_settings(kind: str, address: str) -> dict[str, Any]:
    if kind == "mariadb":
        have_mysql_driver()
    url = urlsplit(address)
    return {
        "ENGINE": ENGINES[kind],
        "NAME": "postgres" if kind == "postgresql" else "",
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
        "OPTIONS": {"connect_timeout": 3},
    }


@contextmanager
def connected(alias: str, settings: dict[str, Any]) -> Iterator[None]:
    """Let Django know a database for a while."""
    connections.settings[alias] = connections.configure_settings(
        {"default": connections.settings["default"], alias: dict(settings)}
    )[alias]
    try:
        yield
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def run_on(kind: str, server: dict[str, Any], statement: str) -> None:
    with connected(f"{kind}-server", server), connections[f"{kind}-server"].cursor() as cursor:
        cursor.execute(statement)


def migrated(alias: str, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with connected(alias, settings):
        call_command("migrate", "mailqueue_ledger", database=alias, verbosity=0)
        yield settings


class To:
    """A router that sends the ledger to one database."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return self.alias if model._meta.app_label == "mailqueue_ledger" else None

    db_for_write = db_for_read
