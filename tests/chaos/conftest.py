"""The cluster of each chaos test."""

from tests.cluster import *  # noqa: F403 (fixtures)
