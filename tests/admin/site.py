"""Databases with all tables of a project that has the admin, and people who may do something."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import override_settings

from tests.ledger.databases import ENGINES, connected, run_on, running

ALIAS = "site"
PASSWORD = "only for tests"
PEOPLE = {
    "nobody": (),
    "viewer": ("view_entry",),
    "reader": ("view_entry", "read_entry"),
    "operator": ("view_entry", "change_entry"),
    "remover": ("view_entry", "delete_entry"),
}


class ToSite:
    """A router that sends everything to the database of the site."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return ALIAS

    db_for_write = db_for_read


@contextmanager
def site(kind: str, folder: Path) -> Iterator[None]:
    """Make the database of a kind, with people in it."""
    name = f"mailqueue_{uuid4().hex[:12]}"
    around: Any = nullcontext() if kind == "sqlite" else running(kind)
    with around as server:
        if kind == "sqlite":
            timeouts = {"timeout": 30, "init_command": "PRAGMA journal_mode = WAL"}
            server = {"ENGINE": ENGINES[kind], "OPTIONS": timeouts}
            name = str(folder / "site.sqlite3")
        else:
            run_on(kind, server, f"CREATE DATABASE {name}")
        routed = override_settings(DATABASE_ROUTERS=[ToSite()])
        try:
            with connected(ALIAS, server | {"NAME": name}), routed:
                call_command("migrate", database=ALIAS, verbosity=0)
                make_people()
                yield
        finally:
            if kind != "sqlite":
                run_on(kind, server, f"DROP DATABASE {name}")


def make_people() -> None:
    for name, codes in PEOPLE.items():
        person = User.objects.create(username=name, is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename__in=codes))
    User.objects.create_superuser("admin", password=PASSWORD)


def empty() -> None:
    """Delete the mails and what the admin has noted; the people stay."""
    for label in ("mailqueue_ledger", "sessions", "admin"):
        for model in apps.get_app_config(label).get_models():
            model._default_manager.all().delete()
