"""Settings of a project whose processes the tests start, kill and stop."""

import json
import os

from tests.ledger.databases import have_mysql_driver

SECRET_KEY = "only for tests"
USE_TZ = True
INSTALLED_APPS = ["mailqueue", "mailqueue.ledger"]
DATABASES = {"default": json.loads(os.environ["MAILQUEUE_TEST_DATABASE"])}
MAILERS = json.loads(os.environ["MAILQUEUE_MAILERS"])
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if "mysql" in DATABASES["default"]["ENGINE"]:
    have_mysql_driver()
