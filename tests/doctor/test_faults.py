"""A project in which much is wrong at once: each fault is found, and none hides another."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
import redis
import trustme
from aiosmtpd.smtp import AuthResult

from mailqueue.demo.sink import Sink
from tests.doctor.shop import CRYPT, KEY, Shop, queue_to, smtp
from tests.procnodes import free_port
from tests.services import queue_on

pytestmark = pytest.mark.broker

CANARY = "canary-password"
OTHER_CRYPT = CRYPT.replace("M", "N")
WORKER = """
import time
import mailqueue
mailqueue.__version__ = "0.0.9"
now = time.time
time.time = lambda: now() + 60
from {name}.settings import *
SECRET_KEY = "another key"
CELERY_BROKER_TRANSPORT_OPTIONS = {{"visibility_timeout": 5}}
CELERY_TASK_ANNOTATIONS = {{"*": {{"acks_late": False, "rate_limit": "9/m"}}}}
del MAILERS["lost"]
MAILERS["moved"]["OPTIONS"]["queue"] = "{queue}.elsewhere"
MAILERS["level"]["OPTIONS"]["ledger"] = None
MAILERS["default"]["OPTIONS"]["encryption_keys"] = ["{crypt}"]
"""
OLD = """
from celery.worker.control import Panel
from mailqueue.worker import app
import mailqueue.tasks.prepare
del Panel.data["mailqueue_state"]
"""


ODD = """
class Odd:
    def __init__(self, **options):
        raise KeyError("canary")
"""


class Grumpy(BaseRequestHandler):
    """Wants nobody."""

    def handle(self) -> None:
        self.request.sendall(b"554 5.7.1 not you, sir, of bad.example.test\r\n")


class Rude(BaseRequestHandler):
    """Says nothing and hangs up."""

    def handle(self) -> None:
        pass


def served(stack: ExitStack, handler: type[BaseRequestHandler]) -> int:
    """Run a server; return its port."""
    server = stack.enter_context(ThreadingTCPServer(("127.0.0.1", 0), handler))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    stack.callback(server.shutdown)
    return int(server.server_address[1])


def tls(stack: ExitStack, authority: trustme.CA, *names: str, **issued: Any) -> dict[str, Any]:
    """Run an SMTP server with a certificate; return its mailer."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **issued).configure_cert(context)
    return smtp(stack.enter_context(Sink(tls_context=context)).port, use_tls=True)


def no_login(*args: object) -> AuthResult:
    return AuthResult(success=False, handled=False)


def targets(stack: ExitStack, folder: Path) -> dict[str, dict[str, Any]]:
    """Return mailers each of which cannot be opened, for another reason."""
    trusted, unknown = trustme.CA(), trustme.CA()
    trusted.cert_pem.write_to_path(folder / "ca.pem")
    past = datetime.now(UTC) - timedelta(days=1)
    locked = stack.enter_context(Sink(auth_require_tls=False, authenticator=no_login))
    plain = stack.enter_context(Sink()).port
    login = {"username": "canary-user", "password": CANARY}
    return {
        "closed": smtp(free_port()),
        "nowhere": {**smtp(25), "OPTIONS": {"host": "canary.invalid", "timeout": 5}},
        "expired": tls(stack, trusted, "127.0.0.1", not_after=past),
        "misnamed": tls(stack, trusted, "canary.example.test"),
        "untrusted": tls(stack, unknown, "127.0.0.1"),
        "plain": smtp(plain, use_tls=True),
        "confused": smtp(plain, use_ssl=True),
        "locked": smtp(locked.port, **login),
        "nologin": smtp(plain, **login),
        "grumpy": smtp(served(stack, Grumpy)),
        "rude": smtp(served(stack, Rude)),
        "api": {"BACKEND": "anymail.backends.postmark.EmailBackend"},
        "odd": {"BACKEND": "odd_backend.Odd"},
        "hiding": smtp(free_port(), fail_silently=True),
    }


FOUND = [
    # the settings
    ("mailqueue.E001", "MAILERS['broken']"),
    ("mailqueue.W001", "MAILERS['hiding']"),
    # the workers
    ("keys-differ", "worker sick"),
    ("encryption-keys-differ", "worker sick"),
    ("worker-version", "worker sick"),
    ("worker-clock", "worker sick"),
    ("worker-visibility", "worker sick"),
    ("worker-task-changed", "worker sick"),
    ("worker-lacks-mailer", "worker sick"),
    ("worker-other-queue", "worker sick"),
    ("worker-other-level", "worker sick"),
    ("worker-too-old", "worker old"),
    ("node-names-equal", "worker old"),
    # the storage
    ("storage-fails", "STORAGES['files']"),
    # the mail servers
    ("target-unreachable", "MAILERS['closed']"),
    ("target-unknown-host", "MAILERS['nowhere']"),
    ("target-certificate", "MAILERS['expired']"),
    ("target-certificate", "MAILERS['misnamed']"),
    ("target-certificate", "MAILERS['untrusted']"),
    ("target-tls", "MAILERS['plain']"),
    ("target-tls", "MAILERS['confused']"),
    ("target-login", "MAILERS['locked']"),
    ("target-login", "MAILERS['nologin']"),
    ("target-refuses", "MAILERS['grumpy']"),
    ("target-unreachable", "MAILERS['rude']"),
    ("target-unusable", "MAILERS['api']"),
    ("target-unusable", "MAILERS['odd']"),
    ("target-unreachable", "MAILERS['hiding']"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory, own_redis) -> Iterator[list[dict[str, Any]]]:
    """Give what the doctor finds in that project, and who."""
    folder = tmp_path_factory.mktemp("ill")
    with ExitStack() as stack:
        queue = stack.enter_context(queue_on(own_redis))
        ill = targets(stack, folder)
        (folder / "files").write_text("a file where a folder should be")
        bare = {"ledger": None}
        mailers = {
            "default": queue_to("well", queue, encryption_keys=[CRYPT], **bare),
            "big": queue_to("hiding", queue, attachments="files", **bare),
            "lost": queue_to("well", queue, **bare),
            "moved": queue_to("well", queue, **bare),
            "level": queue_to("well", queue),
            "broken": queue_to("nothing", queue, **bare),
            "well": smtp(stack.enter_context(Sink()).port),
            **ill,
        }
        shop = Shop(folder, own_redis, queue, mailers, ledger=True)
        names = {"name": shop.name, "queue": queue, "crypt": OTHER_CRYPT}
        # Workers do not start with an entry that cannot be built.
        shop.also("well", f"from {shop.name}.settings import *\ndel MAILERS['broken']\n")
        shop.also("ill", WORKER.format(**names) + "del MAILERS['broken']\n")
        shop.also("old", OLD)
        (folder / "odd_backend.py").write_text(ODD)
        shop.manage("migrate", "-v0", DJANGO_SETTINGS_MODULE=f"{shop.name}.well")
        sick = shop.worker_with("ill", "mailqueue.worker", "sick@x", queue)
        old = [shop.worker_with("well", f"{shop.name}.old", "old@x", queue) for _ in range(2)]
        with shop.workers(sick, *old):
            status, found = shop.doctor(SSL_CERT_FILE=str(folder / "ca.pem"))
            with redis.Redis.from_url(own_redis) as client:  # the probe does no harm to any worker
                assert client.llen(f"{queue}.dead") == client.llen(queue) == 0
            assert status == 1, [each for each in found if each["unasked"]]
            for each in found:
                assert not {"canary", KEY, CRYPT, "127.0.0.1"} & set(flat(each))
                each["about"] = each["about"].replace("'sick@x'", "sick").replace("'old@x'", "old")
            yield found


def flat(finding: dict[str, Any]) -> Iterator[str]:
    """Yield each secret that a finding shows."""
    text = " ".join(map(str, finding.values()))
    return (each for each in ("canary", KEY, CRYPT, "127.0.0.1") if each in text)


@pytest.mark.parametrize(("name", "about"), FOUND, ids=lambda value: str(value))
def test_a_fault_is_found(told, name: str, about: str) -> None:
    [finding] = [each for each in told if (each["id"], each["about"]) == (name, about)]
    assert finding["problem"]
    assert finding["cure"].endswith((".", ")"))
    assert "\n" not in finding["problem"] + finding["cure"]


def test_nothing_else_is_found(told) -> None:
    assert sorted((each["id"], each["about"]) for each in told) == sorted(FOUND)


@pytest.mark.parametrize(
    ("about", "text"),
    [
        ("MAILERS['expired']", "it has expired"),
        ("MAILERS['misnamed']", "it is for another"),
        ("MAILERS['untrusted']", "an authority that this machine does not"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told_plainly(told, about: str, text: str) -> None:
    [finding] = [each for each in told if each["about"] == about]
    assert text in finding["problem"]
