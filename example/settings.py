"""Django settings of the web process in docker-compose.yml: a worker's, and one page."""

import os

from worker.settings import *  # noqa: F403

ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost").split()
ROOT_URLCONF = "example.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
