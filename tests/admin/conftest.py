"""The admin of a project on SQLite and on PostgreSQL, seen by people with some permissions."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from tests.admin.site import empty, site
from tests.ledger.projects import mailers_for
from tests.project_app import project_app
from tests.services import queue_on


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module on the databases that it names; for the others it makes no difference."""
    if "any_site" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "DATABASES", ["sqlite"])
        metafunc.parametrize("any_site", kinds, indirect=True, scope="package")


@pytest.fixture(scope="package")
def any_site(request, tmp_path_factory, django_db_blocker) -> Iterator[str]:
    with django_db_blocker.unblock(), site(request.param, tmp_path_factory.mktemp("site")):
        yield request.param


@pytest.fixture
def admin(any_site, redis_url) -> Iterator[str]:
    """Give the name of a queue; what is in the table goes afterwards."""
    with project_app(redis_url), queue_on(redis_url) as queue:
        mailers = mailers_for(1, queue=queue)
        with override_settings(MAILERS=mailers, ROOT_URLCONF="tests.admin.urls"):
            empty()
            yield queue


@pytest.fixture
def visit(admin) -> Callable[[str], Client]:
    """Log somebody in."""

    def visit(name: str) -> Client:
        client = Client()
        client.force_login(User.objects.get(username=name))
        return client

    return visit
