"""For tests of projects: the queue without a broker, and the contract of a target."""

from mailqueue.testing.memory import queue_in_memory as queue_in_memory
from mailqueue.testing.target import TargetContract as TargetContract
