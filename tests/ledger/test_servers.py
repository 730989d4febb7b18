"""The databases that the tests start where none runs."""

import pytest
from django.db import OperationalError

from tests.ledger.databases import run_on, server_settings, wait_for
from tests.ledger.servers import NAMES, own_server


@pytest.mark.parametrize("kind", NAMES)
def test_a_server_of_ones_own(kind: str, django_db_blocker) -> None:
    with django_db_blocker.unblock():
        with own_server(kind, "this test is about it") as url:
            server = server_settings(kind, url)
            wait_for(kind, server)
            run_on(kind, server, "CREATE DATABASE mailqueue")
        with pytest.raises(OperationalError):
            run_on(kind, server, "SELECT 1")
