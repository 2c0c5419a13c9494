"""What the host and a process use: plain counters, from which a caller derives rates.

`HostReader` is the seam; `PsutilReader` reads this machine. Reading takes milliseconds (the kernel
walks page tables for the PSS), so asyncio code calls it in a thread.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from xapp.telemetry.smaps import parse_pss

_GET_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_THROTTLED_NOW = 0xF
"""Low bits of the Raspberry Pi firmware's word: what limits the clock now; the high ones are history."""


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """One process. All 0 when there is no such process; the PSS also where the kernel does not tell."""

    cpu_s: float = 0.0
    rss_bytes: int = 0
    pss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HostUsage:
    """The machine. CPU times are seconds summed over all cores; None is: it does not tell."""

    cpu_busy_s: float = 0.0
    cpu_total_s: float = 0.0
    memory_used_bytes: int = 0
    memory_total_bytes: int = 0
    temperature_celsius: float | None = None
    throttled: bool | None = None


class HostReader(Protocol):
    """Reads the machine; never raises for what a machine does not offer."""

    def host(self) -> HostUsage:
        """The machine now."""
        ...

    def process(self, pid: int) -> ProcessUsage:
        """A process now; pid 0 or one that is gone gives zeros."""
        ...


class PsutilReader:
    """Reads this machine through psutil and the kernel's files."""

    def host(self) -> HostUsage:
        """The machine now."""
        times = psutil.cpu_times()
        # guest times are part of user time in Linux: adding them would count them twice.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        memory = psutil.virtual_memory()
        return HostUsage(
            cpu_busy_s=total - times.idle - getattr(times, "iowait", 0.0),
            cpu_total_s=total,
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            temperature_celsius=hottest_celsius(),
            throttled=throttled(),
        )

    def process(self, pid: int) -> ProcessUsage:
        """A process now; pid 0 or one that is gone gives zeros."""
        if pid <= 0:
            return ProcessUsage()
        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            return ProcessUsage(times.user + times.system, process.memory_info().rss, pss_bytes(pid))
        except psutil.Error:
            return ProcessUsage()


def pss_bytes(pid: int) -> int:
    """Proportional set size; 0 where the kernel does not tell."""
    try:
        return parse_pss(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except (OSError, ValueError):
        return 0


def hottest_celsius() -> float | None:
    """The hottest sensor; None where there is none."""
    read = getattr(psutil, "sensors_temperatures", None)
    if read is None:
        return None
    return max((sensor.current for group in read().values() for sensor in group), default=None)


def throttled(path: Path = _GET_THROTTLED) -> bool | None:
    """Whether a Raspberry Pi throttles now; None where the board does not tell."""
    word = _firmware_word(path)
    return None if word is None else bool(word & _THROTTLED_NOW)


def _firmware_word(path: Path) -> int | None:
    try:
        return int(path.read_text().strip(), 16)
    except (OSError, ValueError):
        return _vcgencmd_word()


def _vcgencmd_word() -> int | None:
    if not Path("/dev/vcio").exists():
        return None
    try:
        done = subprocess.run(
            ["/usr/bin/vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=1, check=True
        )
        return int(done.stdout.strip().partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
