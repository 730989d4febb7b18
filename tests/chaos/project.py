"""Settings of a project whose web processes and workers the chaos tests start.

Each test says what is in them: MAILQUEUE_TEST_SITE holds them as JSON.
"""

import json
import os
from typing import Any

SECRET_KEY = "only for tests"
USE_TZ = True
INSTALLED_APPS = ["mailqueue"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

settings: dict[str, Any] = json.loads(os.environ["MAILQUEUE_TEST_SITE"])
globals().update(settings)
