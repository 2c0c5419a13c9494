"""Where and with what a benchmark ran: no figure without it."""

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path

import msgspec
import psutil

_STAT = Path("/proc/stat")
_CPUINFO = Path("/proc/cpuinfo")
_STEAL = 7


class Machine(msgspec.Struct, frozen=True):
    """The node and the software. `git_revision` ends in `-dirty` when the tree differs from it."""

    cpu: str
    cpu_flags: list[str]
    cores: int
    memory_bytes: int
    kernel: str
    python: str
    llama_cpp_python: str
    grpcio: str
    git_revision: str
    started_at: str


class Noise(msgspec.Struct, frozen=True):
    """What else the machine did in a round: load average at its end, share of CPU time stolen."""

    load_1m: float
    steal_share: float


def describe(root: Path) -> Machine:
    """The machine as it is now."""
    return Machine(
        cpu=_cpuinfo("model name") or platform.processor() or platform.machine(),
        cpu_flags=sorted((_cpuinfo("flags") or _cpuinfo("Features")).split()),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release(),
        python=platform.python_version(),
        llama_cpp_python=metadata.version("llama-cpp-python"),
        grpcio=metadata.version("grpcio"),
        git_revision=_git_revision(root),
        started_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _cpuinfo(key: str) -> str:
    if not _CPUINFO.exists():
        return ""
    for line in _CPUINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _git_revision(root: Path) -> str:
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class NoiseMeter:
    """Measures from its making to `read`."""

    def __init__(self) -> None:
        self._before = cpu_ticks()

    def read(self) -> Noise:
        """The noise since the start."""
        ticks = [after - before for before, after in zip(self._before, cpu_ticks(), strict=True)]
        total = sum(ticks)
        return Noise(os.getloadavg()[0], ticks[_STEAL] / total if total else 0.0)


def cpu_ticks() -> list[int]:
    """User, nice, system, idle, iowait, irq, softirq, steal; zeros where there is no /proc."""
    if not _STAT.exists():
        return [0] * 8
    return [int(each) for each in _STAT.read_text().splitlines()[0].split()[1:9]]
