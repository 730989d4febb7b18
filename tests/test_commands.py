"""`manage.py mailqueue` at a shell."""

import os
import subprocess
import sys

COMMAND = """
import django
from django.conf import settings
from django.core.management import execute_from_command_line

MAILERS = {"default": {"BACKEND": "mailqueue.backends.dummy.EmailBackend"}}
settings.configure(SECRET_KEY="key", MAILERS=MAILERS, INSTALLED_APPS=["mailqueue"])
execute_from_command_line(["manage.py", "mailqueue", "status"])
"""


def test_a_reader_that_has_read_enough_is_no_error():
    """As `head`, which ends before what it reads from."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-c", COMMAND]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr
