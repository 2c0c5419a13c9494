"""The use of the host and of processes: plain counters, from which a caller derives rates.

`HostReader` is the seam; `PsutilReader` reads this machine. A reading takes milliseconds (the kernel walks
page tables for the PSS), so asyncio code calls it in a thread.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import psutil

from xapp.telemetry.power.find import SYS
from xapp.telemetry.power.heat import FIRMWARE_WORD, THROTTLED_NOW, firmware_word
from xapp.telemetry.power.vcgencmd import Vcgencmd, find_vcgencmd
from xapp.telemetry.smaps import parse_pss

_GET_THROTTLED = SYS / FIRMWARE_WORD


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """One process. All fields are 0 without such a process. The PSS is also 0 where the kernel does not tell
    it.
    """

    cpu_s: float = 0.0
    rss_bytes: int = 0
    pss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HostUsage:
    """The machine. CPU times are seconds, summed over all cores. None: the machine does not tell."""

    cpu_busy_s: float = 0.0
    cpu_total_s: float = 0.0
    memory_used_bytes: int = 0
    memory_total_bytes: int = 0
    temperature_celsius: float | None = None
    throttled: bool | None = None


class HostReader(Protocol):
    """Reads the machine. Never raises for a figure that the machine lacks."""

    def host(self) -> HostUsage:
        """The present use of the machine."""
        ...

    def process(self, pid: int) -> ProcessUsage:
        """The present use of a process. Pid 0, or the pid of an ended process, gives zeros."""
        ...


class PsutilReader:
    """Reads this machine through psutil and the kernel's files."""

    def host(self) -> HostUsage:
        """The present use of the machine."""
        times = psutil.cpu_times()
        # guest times are part of user times in Linux: adding them would count them twice.
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
        """The present use of a process. Pid 0, or the pid of an ended process, gives zeros."""
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
    """The hottest sensor in °C; None without a sensor."""
    read = getattr(psutil, "sensors_temperatures", None)
    if read is None:
        return None
    return max((sensor.current for group in read().values() for sensor in group), default=None)


def throttled(path: Path = _GET_THROTTLED) -> bool | None:
    """Whether a Raspberry Pi throttles now; None on other boards."""
    word = firmware_word(path, _firmware())
    return None if word is None else bool(word & THROTTLED_NOW)


@cache
def _firmware() -> Vcgencmd | None:
    """The same for all callers, so that a firmware that hangs is left alone by all of them."""
    return find_vcgencmd()
