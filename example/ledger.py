"""Django settings of all processes with example/ledger.yml: the ledger, in PostgreSQL.

The variables that say where it is are those of PostgreSQL's own programs.
"""

import os

from example.settings import *  # noqa: F403

INSTALLED_APPS = ["mailqueue", "mailqueue.ledger"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ.get("PGPORT", ""),
        "NAME": os.environ["PGDATABASE"],
        "USER": os.environ["PGUSER"],
        "PASSWORD": os.environ["PGPASSWORD"],
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
