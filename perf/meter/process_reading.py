"""CPU time and memory of a server and the workers it starts."""

from dataclasses import dataclass

import psutil

from perf import process_memory


@dataclass(frozen=True, slots=True)
class Usage:
    """All processes together. `cpu_s` counts since they began; `pss_bytes` None: the kernel does not tell."""

    cpu_s: float
    rss_bytes: int
    pss_bytes: int | None


class ProcessMeter:
    """A process and its descendants. CPU time never falls: a process that has ended keeps what it had."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_s: dict[int, float] = {}

    def read(self) -> Usage:
        """The processes now; what ends while it is read counts no memory."""
        usages = [usage for pid in _family(self._pid) if (usage := self._of(pid))]
        known = [usage.pss_bytes for usage in usages if usage.pss_bytes is not None]
        return Usage(
            cpu_s=sum(self._cpu_s.values()),
            rss_bytes=sum(usage.rss_bytes for usage in usages),
            pss_bytes=sum(known) if usages and len(known) == len(usages) else None,
        )

    def _of(self, pid: int) -> Usage | None:
        try:
            cpu_s = process_memory.cpu_seconds(pid)
            rss_bytes = psutil.Process(pid).memory_info().rss
        except (OSError, psutil.Error):
            return None
        self._cpu_s[pid] = max(cpu_s, self._cpu_s.get(pid, 0.0))
        return Usage(cpu_s, rss_bytes, _pss_bytes(pid))


def _family(pid: int) -> list[int]:
    try:
        return process_memory.family(pid)
    except psutil.Error:
        return []


def _pss_bytes(pid: int) -> int | None:
    try:
        return process_memory.pss_bytes(pid)
    except (OSError, ValueError):
        return None
