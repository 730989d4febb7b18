"""What the benchmarks ran on: the machine, and versions."""

import os
import platform
import subprocess
from pathlib import Path

from django.db import connections
from kombu import Connection
from redis import Redis

from tests.benchmarks.running import DRIVER, Services
from tests.benchmarks.systems import celery_email, fork, mailer, ours, post_office
from tests.environments import environment_with
from tests.ledger.databases import connected

Rows = list[tuple[str, str]]
VERSIONS = """
import sys
from importlib.metadata import version
print(", ".join(f"{name} {version(name)}" for name in sys.argv[1:]))
"""


def machine() -> Rows:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        ("processor", f"{processor()}, {os.cpu_count()} cores"),
        ("memory", f"{memory:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("load before the run", f"{os.getloadavg()[0]:.1f}"),
        ("Python", platform.python_version()),
    ]


def processor() -> str:
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    told = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return told[0] if told else platform.machine()


def servers(services: Services) -> Rows:
    with Redis.from_url(services.redis) as client:
        redis = client.info("server")["redis_version"]
    with Connection(services.rabbitmq) as connection:
        rabbitmq = connection.connect().server_properties["version"]
    with connected("server", services.postgresql):
        major, minor = divmod(connections["server"].pg_version, 10_000)
    return [("Redis", redis), ("RabbitMQ", rabbitmq), ("PostgreSQL", f"{major}.{minor}")]


def environments() -> Rows:
    """Name the versions in each environment; make those that are not there."""
    rows = []
    for system in (ours(), ours(django="5.2"), fork(), celery_email(), post_office(), mailer()):
        python = environment_with(system.django, *system.packages, DRIVER)
        names = [each.partition("=")[0] for each in system.packages] or ["mailqueue"]
        names += ["Django", "celery", "kombu", "redis", "psycopg"]
        told = subprocess.check_output([str(python), "-c", VERSIONS, *names], text=True)
        rows.append((names[0], told.strip()))
    return rows
