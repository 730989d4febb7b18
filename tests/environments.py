"""Other packages as they are, in environments of their own, and the Celery app of a project."""

import re
import subprocess
import sys
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).parents[1]
MAKING = Lock()

APP = """
from celery import Celery

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""


def environment_with(django: str, *packages: str) -> Path:
    """Return the Python of an environment that has a Django and these packages; made once."""
    name = re.sub(r"\W+", "-", "-".join([django, *packages])).strip("-")
    folder = ROOT / "build/environments" / name
    python = folder / "bin/python"
    with MAKING:  # others wait until it is there
        if not (folder / "made").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            install = [str(python), "-m", "pip", "install", "-q", "-e", str(ROOT), *packages]
            subprocess.run([*install, f"Django=={django}.*"], check=True)
            (folder / "made").touch()
    return python
