"""Checks of the entries of MAILERS, along `using`."""

import re

import pytest

from mailqueue import compat
from mailqueue.backends.base import BaseEmailBackend
from mailqueue.mail import InvalidMailer
from mailqueue.mail import mailers as registry
from tests.checks.mailers import QUEUE, backend, djangos, queue, smtp

DEVELOPMENT = ["console", "filebased", "locmem", "dummy"]


class Several(BaseEmailBackend):
    """A backend of somebody else, in front of several others."""

    def __init__(self, *, using, **kwargs):
        super().__init__(**kwargs)


def test_nothing_to_find(found):
    assert found({"default": queue("smtp"), "smtp": smtp()}, deploy=True) == []
    assert found({}, deploy=True) == []


@pytest.mark.parametrize(
    "options", [{"priority": 77}, {"retry": {"schedule": []}}, {"attachments": "gone"}, {"x": 1}]
)
def test_a_wrong_option_of_the_queue(found, options):
    default = {"BACKEND": QUEUE, "OPTIONS": {"using": "smtp"} | options}
    assert found({"default": default, "smtp": smtp()}) == [("mailqueue.E004", "default")]


def test_a_wrong_option_of_smtp(found):
    assert found({"default": smtp(use_tls=True, use_ssl=True)}) == [("mailqueue.E004", "default")]


def test_unknown_target(found):
    assert found({"default": queue("gone"), "smtp": smtp()}) == [("mailqueue.E001", "default")]


def test_unknown_target_among_several(found):
    mailers = {"default": queue(["smtp", "gone"]), "smtp": smtp()}
    assert found(mailers) == [("mailqueue.E001", "default")]


def test_a_target_that_uses_several(found):
    ours = {"BACKEND": "tests.checks.test_entries.Several", "OPTIONS": {"using": ["smtp", "spare"]}}
    mailers = {"default": queue("either"), "either": ours, "smtp": smtp()}
    assert found(mailers) == [("mailqueue.E001", "either")]
    assert found({**mailers, "spare": smtp()}) == []
    assert found({**mailers, "spare": queue("either")}) == [
        ("mailqueue.E002", alias) for alias in ("either", "spare")
    ]


def test_using_that_names_nothing(found):
    assert found({"default": queue(7), "smtp": smtp()}) == [("mailqueue.E004", "default")]


def test_loop_of_one(found):
    assert found({"default": queue("default")}) == [("mailqueue.E002", "default")]


def test_loop_of_three(found):
    mailers = {"a": queue("b"), "b": queue("c"), "c": queue("a"), "in": queue("a")}
    assert found(mailers) == [("mailqueue.E002", alias) for alias in "abc"]


@pytest.mark.parametrize("name", DEVELOPMENT)
@pytest.mark.parametrize("package", ["mailqueue", "django.core.mail"])
def test_development_backend_behind_a_queue(found, name, package):
    mailers = {"default": queue("middle"), "middle": queue("end"), "end": backend(name, package)}
    assert found(mailers, deploy=True) == [("mailqueue.E003", "end")]
    assert found(mailers) == []


@pytest.mark.parametrize("name", DEVELOPMENT)
def test_development_backend_by_default(found, name):
    assert found({"default": backend(name)}, deploy=True) == [("mailqueue.E003", "default")]


def test_what_django_finds_is_not_found_twice(found):
    ours = found({"default": backend("console", "django.core.mail")}, deploy=True)
    assert ours == ([] if compat.HAS_MAILERS else [("mailqueue.E003", "default")])


def test_development_backend_that_nobody_uses(found):
    assert found({"default": smtp(), "spare": backend("console")}, deploy=True) == []


def test_fail_silently_on_a_target(found):
    mailers = {"default": queue("smtp"), "smtp": smtp(fail_silently=True)}
    assert found(mailers) == [("mailqueue.W001", "smtp")]


def test_fail_silently_on_the_way_to_a_target(found):
    middle = {"BACKEND": QUEUE, "OPTIONS": {"using": "smtp", "fail_silently": True}}
    mailers = {"default": queue("middle"), "middle": middle, "smtp": smtp()}
    assert found(mailers) == [("mailqueue.W001", "middle")]


def test_djangos_smtp_backend_waits_for_ever(found):
    entry = djangos(timeout=None)
    mailers = {"default": queue("smtp"), "smtp": entry}
    # Before 6.1 an entry that names Django's backend gets ours.
    assert found(mailers) == ([("mailqueue.W002", "smtp")] if compat.HAS_MAILERS else [])


@pytest.mark.parametrize("entry", [{}, backend("smtp")])
def test_ours_has_a_timeout_of_its_own(found, entry):
    assert found({"default": queue("smtp"), "smtp": {**entry, "OPTIONS": {"host": "x"}}}) == []


def test_without_a_queue_that_is_the_users_business(found):
    assert found({"default": smtp(fail_silently=True, timeout=None)}) == []


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("mailqueue.backends.smpt.EmailBackend", "mailqueue.backends.smtp.EmailBackend"),
        ("mailqueue.backends.queue.EmailBackends", QUEUE),
        ("no.such.Backend", ""),
        ("EmailBackend", ""),
    ],
)
def test_a_backend_that_cannot_be_imported(messages, path, instead):
    mailers = {"default": queue("end"), "end": {"BACKEND": path}, "spare": {"BACKEND": path}}
    first, second = messages(mailers, deploy=True)
    assert first.id == second.id == "mailqueue.E006"
    assert first.msg.startswith(f"MAILERS['end']: Could not find BACKEND '{path}': ")
    assert second.msg.startswith("MAILERS['spare']: ")
    assert instead in first.hint


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (7, "It must be a dict, got int"),
        ("mailqueue.backends.smtp.EmailBackend", "It must be a dict, got str"),
        ({"OPTIONS": None}, "OPTIONS must be a dict, got NoneType"),
        ({"OPTIONS": ["using"]}, "OPTIONS must be a dict, got list"),
        ({"BACKEND": None}, "BACKEND must be a dotted path, got None"),
    ],
)
def test_what_is_no_entry(messages, entry, text):
    mailers = {"default": queue("end"), "end": entry}
    [error] = messages(mailers, deploy=True)
    assert (error.id, error.msg) == ("mailqueue.E006", f"MAILERS['end']: {text}")
    [error] = messages({"default": entry, "smtp": smtp()})
    assert error.msg == f"MAILERS['default']: {text}"
    with pytest.raises(InvalidMailer, match=re.escape(text)):
        _ = registry.default


def test_a_queue_that_cannot_be_imported(found):
    mailers = {"default": {**queue("smtp"), "BACKEND": f"{QUEUE}s"}, "smtp": smtp()}
    assert found(mailers) == [("mailqueue.E006", "default")]


@pytest.mark.parametrize("options", [{"hots": "x"}, {"oauth_tokn": "x"}, {"pipeline": 3}])
def test_an_unknown_option_of_smtp_is_told_with_what_was_meant(messages, options):
    [(name, _)] = options.items()
    meant = {"hots": "host", "oauth_tokn": "oauth_token", "pipeline": "pipeline_window"}[name]
    [error] = messages({"default": {"OPTIONS": {"host": "x"} | options}})
    assert error.id == "mailqueue.E004"
    start = f"MAILERS['default']: Unknown options '{name}'. Did you mean '{meant}'? Known are "
    assert error.msg.startswith(f"{start}'{meant}', ")
    assert {"'use_tls'", "'fail_silently'", "'deadline'"} <= set(error.msg[:-1].split(", "))
    assert error.hint == f"Write '{meant}' in its place."


def test_an_unknown_option_of_the_queue_is_told_with_what_was_meant(messages):
    [error] = messages({"default": queue("smtp", quee="mail"), "smtp": smtp()})
    assert "Unknown options 'quee'. Did you mean 'queue'? Known are 'queue', " in error.msg
    assert "'using'" in error.msg
    assert error.hint == "Write 'queue' in its place."


def test_an_unknown_option_that_looks_like_none(messages):
    [error] = messages({"default": smtp(zzz=1)})
    assert "Unknown options 'zzz'. Known are '" in error.msg
    assert error.hint == "Remove 'zzz' from OPTIONS."


def test_a_wrong_entry_of_retry_is_told_with_the_nearest_first(messages):
    [error] = messages({"default": queue("smtp", retry={"jiter": 0}), "smtp": smtp()})
    assert "'retry' must be a dict with keys of jitter, " in error.msg


def test_an_alias_that_is_not_there_is_told_with_the_nearest_first(messages):
    [error] = messages({"default": queue("smpt"), "bulk": smtp(), "smtp": smtp()})
    assert error.hint == "Add a 'smpt' entry to MAILERS, or write one of ['smtp', 'bulk']."


SECRET = {"username": "me", "password": "canary"}


@pytest.mark.parametrize("entry", [smtp, djangos])
@pytest.mark.parametrize(
    "options", [SECRET, {"use_tls": False, **SECRET}, {"host": "192.0.2.7", **SECRET}]
)
def test_a_password_in_plain_text(messages, entry, options):
    mailers = {"default": queue("smtp"), "smtp": entry(**options)}
    [warning] = messages(mailers, deploy=True)
    assert warning.id == "mailqueue.W008"
    assert warning.msg.startswith("MAILERS['smtp']: without 'use_tls' or 'use_ssl' its 'password'")
    assert "canary" not in warning.msg + warning.hint
    assert messages(mailers) == []


def test_a_token_in_plain_text(found):
    entry = smtp(username="me", oauth_token=str)
    assert found({"default": entry}, deploy=True)[0][0] == "mailqueue.W008"


@pytest.mark.parametrize(
    "options",
    [
        {"use_tls": True, **SECRET},
        {"use_ssl": True, **SECRET},
        {"username": "me"},
        {"password": "never used"},
        *({"host": host, **SECRET} for host in ("localhost", "127.0.0.9", "::1", "LOCALHOST")),
    ],
)
def test_what_does_not_travel_in_plain_text(found, options):
    assert found({"default": smtp(**options)}, deploy=True) == []


def test_a_module_that_raises_when_it_is_imported(found, tmp_path, monkeypatch):
    (tmp_path / "broken_backend.py").write_text("raise RuntimeError('no key')\n")
    monkeypatch.syspath_prepend(tmp_path)
    mailers = {"default": queue("end"), "end": {"BACKEND": "broken_backend.Backend"}}
    assert ("mailqueue.E006", "end") in found(mailers)


@pytest.mark.parametrize("path", [".Backend", "."])
def test_a_path_that_names_no_package(found, path):
    assert ("mailqueue.E006", "end") in found({"default": queue("end"), "end": {"BACKEND": path}})
