"""System checks of MAILERS along `using`."""

import pytest
from django.core.checks import run_checks

from mailqueue import checks, compat
from mailqueue.backends.base import BaseEmailBackend

QUEUE = "mailqueue.backends.queue.EmailBackend"
GOOD = {"host": "x", "timeout": 10}
DEVELOPMENT = ["console", "filebased", "locmem", "dummy"]


def queue(using):
    return {"BACKEND": QUEUE, "OPTIONS": {"using": using}}


def smtp(**options):
    return {"OPTIONS": GOOD | options}


def backend(name, package="mailqueue"):
    return {"BACKEND": f"{package}.backends.{name}.EmailBackend"}


class Several(BaseEmailBackend):
    """A backend of somebody else, in front of several others."""

    def __init__(self, *, using, **kwargs):
        super().__init__(**kwargs)


@pytest.fixture
def found(settings):
    """Return a function that gives (id, alias it is about) for a value of MAILERS."""

    def check(mailers, deploy=False):
        settings.MAILERS = mailers
        messages = run_checks(tags=[checks.TAG], include_deployment_checks=deploy)
        return [
            (message.id, message.msg.split("'")[1])
            for message in messages
            if message.id.startswith("mailqueue.")
        ]

    return check


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
    ours = {"BACKEND": "tests.mail.test_checks.Several", "OPTIONS": {"using": ["smtp", "spare"]}}
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
    entry = {**backend("smtp", "django.core.mail"), "OPTIONS": {"host": "x"}}
    mailers = {"default": queue("smtp"), "smtp": entry}
    # Before 6.1 an entry that names Django's backend gets ours.
    assert found(mailers) == ([("mailqueue.W002", "smtp")] if compat.HAS_MAILERS else [])


@pytest.mark.parametrize("entry", [{}, backend("smtp")])
def test_ours_has_a_timeout_of_its_own(found, entry):
    assert found({"default": queue("smtp"), "smtp": {**entry, "OPTIONS": {"host": "x"}}}) == []


def test_without_a_queue_that_is_the_users_business(found):
    assert found({"default": smtp(fail_silently=True, timeout=None)}) == []


def test_a_backend_that_cannot_be_imported_is_told_when_used(found):
    mailers = {"default": queue("end"), "end": {"BACKEND": "no.such.Backend"}}
    assert found(mailers, deploy=True) == []
