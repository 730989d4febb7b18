"""A worker that cannot start says why in one line, and shows no secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = {"MAILQUEUE_SECRET_KEY": "key", "MAILQUEUE_BROKER_URL": "redis://127.0.0.1:1/0"}
PROJECT = {"DJANGO_SETTINGS_MODULE": "tests.settings"}


def start(app, command="report", **environment):
    """Load an app as a worker does; "report" asks no broker."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILQUEUE_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", app, command],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"MAILQUEUE_SECRET_KEY": ""}, "SECRET_KEY must be the SECRET_KEY of the project that"),
        ({"MAILQUEUE_MAILERS": '{"canary": '}, "MAILERS must be MAILERS as a JSON object, got no"),
        ({"MAILQUEUE_MAILERS": "[7]"}, "MAILERS must be MAILERS as a JSON object, got JSON of an"),
        ({"MAILQUEUE_RETRY": "{canary}"}, "RETRY must be a JSON object, got no JSON: Expecting"),
        ({"MAILQUEUE_RETRY": "7"}, "RETRY must be a JSON object, got JSON of another kind, int"),
        ({"MAILQUEUE_SMTP_PORT": "smtp"}, "SMTP_PORT must be a number, got 'smtp'"),
        ({"MAILQUEUE_SMTP_PORT": "25.5"}, "SMTP_PORT must be a number, got '25.5'"),
        ({"MAILQUEUE_SMTP_TIMEOUT": "30s"}, "SMTP_TIMEOUT must be a number, got '30s'"),
        ({"MAILQUEUE_SMTP_USE_TLS": "ja"}, "SMTP_USE_TLS must be 1, true, yes or on, or else 0"),
        ({"MAILQUEUE_SECRET_KEY_FALLBACKS": "canary"}, "KEY_FALLBACKS must be a JSON array of"),
        ({"MAILQUEUE_SECRET_KEY_FALLBACKS": '"canary"'}, "KEY_FALLBACKS must be a JSON array of"),
        ({"MAILQUEUE_SECRET_KEY_FALLBACKS": '["canary", ""]'}, "KEY_FALLBACKS must be a JSON"),
    ],
)
def test_a_variable_that_cannot_be_used(environment, text):
    done = start("worker", **GOOD | environment)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("mailqueue: MAILQUEUE_")
    assert text in line
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("entry", ["7", '{"OPTIONS": 7}'])
def test_what_is_no_entry_of_mailers(entry):
    done = start("worker", "worker", **GOOD, MAILQUEUE_MAILERS=f'{{"default": {entry}}}')
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("mailqueue: MAILERS['default']: ")
    assert line.endswith(" must be a dict, got int")
    assert "Traceback" not in done.stderr


def test_a_time_that_is_no_number():
    done = start("mailqueue.worker", **GOOD, **PROJECT, MAILQUEUE_VISIBILITY_TIMEOUT="1h")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("mailqueue: 'MAILQUEUE_VISIBILITY_TIMEOUT' must be a number of seconds")


@pytest.mark.parametrize(
    ("module", "text"),
    [("", "got none"), ("shopp.settings", "got 'shopp.settings': No module named 'shopp'")],
)
def test_settings_that_are_not_there(module, text):
    done = start("mailqueue.worker", **GOOD, DJANGO_SETTINGS_MODULE=module)
    assert done.returncode == 1
    expected = "mailqueue: DJANGO_SETTINGS_MODULE must name the settings of the project"
    assert done.stderr == f"{expected}, {text}\n"


def test_a_module_that_the_settings_lack_is_told_with_its_place(tmp_path):
    """That is a defect in code, and its traceback says where."""
    (tmp_path / "lacking.py").write_text("import no_such_module")
    path = f"{tmp_path}:{ROOT}"
    done = start("mailqueue.worker", DJANGO_SETTINGS_MODULE="lacking", PYTHONPATH=path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "No module named 'no_such_module'" in done.stderr


def test_what_is_left_empty_has_its_default():
    names = (
        "MAILERS",
        "RETRY",
        "SMTP_PORT",
        "SMTP_TIMEOUT",
        "SMTP_USE_TLS",
        "SECRET_KEY_FALLBACKS",
    )
    done = start("worker", **GOOD, **{f"MAILQUEUE_{name}": "" for name in names})
    assert done.returncode == 0, done.stderr


KEYS = """
import os
os.environ["MAILQUEUE_SECRET_KEY_FALLBACKS"] = '["change me", "a,b"]'
from worker import settings
assert settings.SECRET_KEY_FALLBACKS == ["change me", "a,b"]
"""


def test_a_key_may_hold_blanks():
    subprocess.run([sys.executable, "-c", KEYS], cwd=ROOT, env=os.environ | GOOD, check=True)


DERIVED = """
import django
django.setup()
from django.apps import apps
assert apps.is_installed("mailqueue") and apps.is_installed("mailqueue.ledger")
"""


def test_settings_may_be_made_of_those_of_the_worker(tmp_path):
    """While they are read, no app may start: it would take half of them."""
    settings = 'from worker.settings import *\nINSTALLED_APPS = ["mailqueue", "mailqueue.ledger"]\n'
    (tmp_path / "derived.py").write_text(settings)
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "derived"}
    subprocess.run(
        [sys.executable, "-c", DERIVED], cwd=tmp_path, env=os.environ | GOOD | path, check=True
    )
