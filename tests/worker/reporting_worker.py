"""The worker of `tests.worker.reported`: with a defect of ours."""

from mailqueue.delivery import process
from mailqueue.worker import app as app
from tests.worker import reported

process.announce = reported.broken
