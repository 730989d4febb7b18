"""The cluster of each smoke test."""

from tests.cluster import *  # noqa: F403 (fixtures)
