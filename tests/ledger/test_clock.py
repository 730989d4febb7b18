"""Connections beside those of the project."""

from django.db import connections

from mailqueue.ledger.clock import leave_pool, unpooled
from tests.ledger.databases import connected


def test_a_connection_from_no_pool_has_the_other_options_of_the_project():
    """Among them are the certificates and the timeouts."""
    options = {"timeout": 7, "pool": True}
    own = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": options}
    with connected("pooled", own):
        made = unpooled("pooled")
        assert made.settings_dict["OPTIONS"] == {"timeout": 7}
        assert made.settings_dict["NAME"] == ":memory:"
        assert connections["pooled"].settings_dict["OPTIONS"] == options


def test_a_thread_that_leaves_the_pool_keeps_to_its_database():
    own = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {"pool": True}}
    with connected("pooled", own):
        leave_pool("pooled")
        left = connections["pooled"]
        assert (left.alias, left.settings_dict["OPTIONS"]) == ("pooled", {})
        leave_pool("pooled")
        assert connections["pooled"] is left
