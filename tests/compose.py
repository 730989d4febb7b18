"""docker-compose.yml and what goes over it, read as Docker Compose reads them."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
BASE = "docker-compose.yml"
OVER = ["example/rabbitmq.yml", "example/ledger.yml"]
VARIANTS = {"Valkey": [], "RabbitMQ": OVER[:1], "ledger": OVER[1:], "both": OVER}
# The alternative is what Compose says when the variable is not set, and it does not start then.
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")


def services(over: list[str]) -> dict[str, Any]:
    """Return the services of a variant, as one file would have them."""
    found: dict[str, Any] = {}
    for name in (BASE, *over):
        found = merged(found, yaml.safe_load((ROOT / name).read_text())["services"])
    return found


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Put mappings into each other and lists after each other; a command or a test is replaced."""
    found = dict(below)
    for name, value in above.items():
        old = below.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            value = merged(old, value)
        elif isinstance(old, list) and isinstance(value, list) and name not in ("command", "test"):
            value = old + value
        found[name] = value
    return found


def filled(value: Any, variables: dict[str, str]) -> Any:
    """Put variables in where ``${NAME:?...}`` asks for them; KeyError for one that is not set."""
    if isinstance(value, dict):
        return {name: filled(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, variables) for each in value]
    if isinstance(value, str):
        return REQUIRED.sub(lambda found: variables[found[1]], value).replace("$$", "$")
    return value
