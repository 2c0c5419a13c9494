"""The limits and counters of this process's cgroup, in either version of the kernel's interface.

In a container the cgroup is the container's. A file that is missing, or that has no number, is no limit and a
counter of 0.
"""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 62
"""Version 1 writes a number near 2⁶³ where there is no limit."""


def memory_limit() -> int | None:
    """Bytes; None without a limit."""
    limit = _number("memory.max", "memory/memory.limit_in_bytes")
    return None if limit is None or limit >= _NO_LIMIT else limit


def memory_used() -> int:
    """Bytes, without the page cache (model files, for instance): the kernel frees it on demand."""
    used = _number("memory.current", "memory/memory.usage_in_bytes") or 0
    stat = _table("memory.stat", "memory/memory.stat")
    return used - stat.get("active_file", 0) - stat.get("inactive_file", 0)


def memory_kills() -> int:
    """How many processes of the cgroup the kernel has ended for memory so far."""
    return _table("memory.events", "memory/memory.oom_control").get("oom_kill", 0)


def cpu_quota() -> float | None:
    """Cores; None without a quota."""
    try:
        quota, period = _read("cpu.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us").split()
        return None if quota in {"max", "-1"} else int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None


def cpu_periods() -> tuple[int, int]:
    """Periods of the quota so far, and those in which it was used up; zeros without a quota."""
    stat = _table("cpu.stat", "cpu/cpu.stat")
    return stat.get("nr_periods", 0), stat.get("nr_throttled", 0)


def _number(newer: str, older: str) -> int | None:
    try:
        return int(_read(newer, older))
    except ValueError:
        return None


def _table(newer: str, older: str) -> dict[str, int]:
    rows = (line.split() for line in _read(newer, older).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _read(newer: str, *older: str) -> str:
    """The file of version 2, else those of version 1, joined; "" where there are none."""
    try:
        return (ROOT / newer).read_text()
    except OSError:
        pass
    try:
        return " ".join((ROOT / name).read_text() for name in older)
    except OSError:
        return ""
