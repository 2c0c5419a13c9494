"""CPU time and memory of processes, from /proc."""

import re
from collections.abc import Iterable
from pathlib import Path

import psutil

_PROC = Path("/proc")
_NS = 1_000_000_000
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")


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


def parse_pss(rollup: str) -> int:
    """The Pss line of a smaps_rollup, in bytes. Raises ValueError without one."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Pss in smaps_rollup")


def file_pss_bytes(pid: int, path: Path) -> int:
    """What of it is mappings of one file."""
    return parse_file_pss((_PROC / str(pid) / "smaps").read_text(), str(path))


def parse_file_pss(smaps: str, path: str) -> int:
    """Sums Pss over the mappings of `path` in a smaps file, bytes."""
    total = 0
    inside = False
    for line in smaps.splitlines():
        if mapping := _MAPPING.match(line):
            inside = mapping[1] == path
        elif inside and line.startswith("Pss:"):
            total += int(line.split()[1]) * 1024
    return total


def own_bytes(pids: Iterable[int], model: Path, kv_bytes: int) -> int:
    """PSS of the processes together, less the model file's pages and the KV cache."""
    pids = list(pids)
    files = sum(file_pss_bytes(pid, model) for pid in pids)
    return sum(map(pss_bytes, pids)) - files - kv_bytes
