"""The memory and cores of this node that a worker can use, with the limits of its cgroup."""

import os
from pathlib import Path

import psutil

from xapp.backend.sizing import Node

_CGROUP = Path("/sys/fs/cgroup")


def this_node() -> Node:
    """Measures the node now."""
    return Node(memory_bytes=_memory_bytes(), cores=_cores(), hardware_threads=_hardware_threads())


def memory_total_bytes() -> int:
    """The memory of this machine, or the limit of the container."""
    total = int(psutil.virtual_memory().total)
    return min(total, _memory_limit() or total)


def _memory_limit() -> int | None:
    return _read_number(_CGROUP / "memory.max")


def _memory_bytes() -> int:
    available = int(psutil.virtual_memory().available)
    limit = _memory_limit()
    if limit is None:
        return available
    used = (_read_number(_CGROUP / "memory.current") or 0) - _reclaimable_bytes()
    return min(available, max(limit - used, 0))


def _reclaimable_bytes() -> int:
    """The page cache, including model files: the kernel counts it as used and frees it on demand."""
    try:
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return int(stat["active_file"]) + int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):
        return 0


def _cores() -> int:
    """Physical cores that this process may use: hyper-threads do not add memory bandwidth."""
    threads = _hardware_threads()
    return min(threads, psutil.cpu_count(logical=False) or threads)


def _hardware_threads() -> int:
    """The hardware threads that this process may use at once."""
    allowed = len(os.sched_getaffinity(0))
    return max(min(allowed, _quota_cores() or allowed), 1)


def _quota_cores() -> int | None:
    """Whole cores within the cgroup's CPU quota."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return None if quota == "max" else max(int(quota) // int(period), 1)
    except (OSError, ValueError):
        return None


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
