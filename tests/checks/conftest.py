"""What the system checks find."""

import pytest
from django.core.checks import CheckMessage, run_checks

from mailqueue.checks import TAG
from tests.project_app import no_app


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    """Set a broker of which there is nothing to find; nobody is there."""
    monkeypatch.setenv("MAILQUEUE_BROKER_URL", "amqp://127.0.0.1:1//")
    with no_app():
        yield


@pytest.fixture
def messages(settings):
    """Return a function that gives what is found for a value of MAILERS."""

    def check(mailers, deploy=False) -> list[CheckMessage]:
        settings.MAILERS = mailers
        found = run_checks(tags=[TAG], include_deployment_checks=deploy)
        return [message for message in found if message.id.startswith("mailqueue.")]

    return check


@pytest.fixture
def found(messages):
    """Return a function that gives (id, the first that is quoted) for a value of MAILERS."""

    def check(mailers, deploy=False):
        return [(each.id, each.msg.split("'")[1]) for each in messages(mailers, deploy)]

    return check
