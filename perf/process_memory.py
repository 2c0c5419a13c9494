"""CPU time and memory of processes, from /proc."""

from collections.abc import Iterable
from pathlib import Path

import psutil

from xapp.telemetry.smaps import parse_file_pss, parse_pss

_PROC = Path("/proc")
_NS = 1_000_000_000


def cpu_seconds(pid: int) -> float:
    """CPU time of all live threads so far, to the nanosecond where the kernel tells."""
    tasks = list((_PROC / str(pid) / "task").glob("*/schedstat"))
    if not tasks:
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return sum(int(task.read_text().split()[0]) for task in tasks) / _NS


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def pss_bytes(pid: int) -> int:
    """Proportional set size. Raises OSError when the process is gone."""
    return parse_pss((_PROC / str(pid) / "smaps_rollup").read_text())


def file_pss_bytes(pid: int, path: Path) -> int:
    """What of it is mappings of one file."""
    return parse_file_pss((_PROC / str(pid) / "smaps").read_text(), str(path))


def own_bytes(pids: Iterable[int], model: Path, kv_bytes: int) -> int:
    """PSS of the processes together, less the model file's pages and the KV cache."""
    pids = list(pids)
    files = sum(file_pss_bytes(pid, model) for pid in pids)
    return sum(map(pss_bytes, pids)) - files - kv_bytes
