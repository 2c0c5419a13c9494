"""The memory and cores of this node that a worker can use, with the limits of its cgroup."""

import os

import psutil

from xapp.backend.sizing import Node
from xapp.telemetry import cgroup


def this_node() -> Node:
    """Measures the node now."""
    return Node(memory_bytes=_memory_bytes(), cores=num_cores(), hardware_threads=_hardware_threads())


def memory_total_bytes() -> int:
    """The memory of this machine, or the limit of the container."""
    total = int(psutil.virtual_memory().total)
    return min(total, cgroup.memory_limit() or total)


def _memory_bytes() -> int:
    available = int(psutil.virtual_memory().available)
    limit = cgroup.memory_limit()
    return available if limit is None else min(available, max(limit - cgroup.memory_used(), 0))


def num_cores() -> int:
    """Physical cores that this process may use: hyper-threads do not add memory bandwidth."""
    threads = _hardware_threads()
    return min(threads, psutil.cpu_count(logical=False) or threads)


def _hardware_threads() -> int:
    """The hardware threads that this process may use at once."""
    allowed = len(os.sched_getaffinity(0))
    return max(min(allowed, int(cgroup.cpu_quota() or allowed)), 1)
