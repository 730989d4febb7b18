"""A ledger whose table is not there yet, in a project of its own."""

import os
import subprocess
import sys

import pytest

from tests.services import queue_on
from tests.waiting import until
from tests.worker.shop import SETTINGS, Project

LEDGER = """
INSTALLED_APPS = ["mailqueue", "mailqueue.ledger"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{name}"}}}}
"""
LACKS = "DATABASES['default']: the tables of the ledger lack the migration 0001_initial"
HINT = "HINT: Run 'manage.py migrate --database default'."


class Shop(Project):
    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    def loses_its_database(self) -> None:
        settings = self.folder / self.name / "settings.py"
        settings.write_text(settings.read_text().replace("shop.sqlite3", "no/such/folder/db"))


@pytest.fixture
def queue(redis_url):
    with queue_on(redis_url) as name:
        yield name


@pytest.fixture
def shop(tmp_path, queue, redis_url) -> Shop:
    made = Shop(tmp_path, f"shop{queue.rpartition('-')[2]}")
    values = {"broker_url": redis_url, "queue": queue, "port": 1, "using": "smtp"}
    text = SETTINGS.format(**values) + LEDGER.format(name=tmp_path / "shop.sqlite3")
    made.write(settings=text)
    return made


def test_it_is_found_where_django_checks_databases(shop):
    found = shop.manage("check", "--database", "default")
    assert "mailqueue.W009" in found
    assert LACKS in found
    assert HINT in found
    # The check runs here, too, and lets it go on.
    assert "0001_initial... OK" in shop.manage("migrate")
    assert "mailqueue.W009" not in shop.manage("check", "--database", "default")


def test_no_other_check_asks_the_database(shop):
    shop.loses_its_database()
    assert "OperationalError" not in shop.manage("check", "--deploy")
    assert "OperationalError" in shop.manage("check", "--database", "default")


def test_a_worker_does_not_start_without_it_and_says_so_in_one_line(shop):
    worker = shop.worker("mailqueue.worker")
    assert worker.popen.wait(60) == 1
    said = worker.logs().decode().strip().splitlines()
    assert said[-1] == (
        "mailqueue: the table of the ledger in DATABASES['default'] lacks the migration"
        " 0001_initial; run 'manage.py migrate'"
    )
    assert "Traceback" not in said


@pytest.mark.parametrize("database", ["migrated", "away"])
def test_a_worker_starts(shop, database):
    if database == "migrated":
        shop.manage("migrate")
    else:
        shop.loses_its_database()
    worker = shop.worker("mailqueue.worker")
    try:
        until(lambda: b" ready." in worker.logs())
    finally:
        worker.remove()
    assert b"lacks the migration" not in worker.logs()
