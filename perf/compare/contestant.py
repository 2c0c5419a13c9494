"""One server that is compared: its client process, and its own processes where this machine sees them."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from perf.callers.callers import Callers
from perf.callers.load_commands import Command, Seen
from perf.compare.compare_samples import Costs
from perf.json_child import ChildError
from perf.network.traffic_counters import Counter, Traffic
from perf.process_memory import cpu_seconds, family, file_pss_bytes, pss_bytes
from perf.record import result_schema
from perf.targets.target import TargetError


@dataclass(frozen=True, slots=True)
class Contestant:
    """`pid` is None for a server elsewhere. `queues`: it answers one request after another.

    `model_path` is the file that its processes map; `traffic` counts what its client has on the wire.
    """

    target: result_schema.Target
    client: Callers
    model_path: Path
    pid: int | None = None
    queues: bool = False
    traffic: Counter | None = None

    @property
    def name(self) -> str:
        """As in samples and figures."""
        return self.target.name

    def play(self, command: Command) -> tuple[Seen, Costs]:
        """One load, and what it cost. Raises TargetError."""
        try:
            cpu, front, traffic = self._cpu(), self._front_cpu(), self._traffic()
            seen = self._ask(command)
            return seen, self._costs(seen, cpu, front, traffic)
        except (psutil.Error, OSError, ValueError) as error:
            raise TargetError("lost", f"{self.name}: its process ended: {error}") from error

    def _ask(self, command: Command) -> Seen:
        try:
            return self.client.play(command)
        except ChildError as error:
            raise TargetError("lost", f"{self.name}: its client ended: {error}") from error
        except TargetError as error:
            raise TargetError(error.code, f"{self.name}: {error}") from error

    def _costs(self, seen: Seen, cpu: float | None, front: float | None, traffic: Traffic | None) -> Costs:
        cpu_now, front_now, traffic_now = self._cpu(), self._front_cpu(), self._traffic()
        wire = traffic_now - traffic if traffic_now and traffic else None
        return Costs(
            wall_s=wall_s(seen),
            client_cpu_s=seen.client_cpu_s,
            server_cpu_s=_spent(cpu, cpu_now),
            pss_bytes=None if self.pid is None else own_memory(self.pid, self.model_path),
            wire_bytes_sent=wire.sent if wire else None,
            wire_bytes_received=wire.received if wire else None,
            front_cpu_s=_spent(front, front_now),
        )

    def _cpu(self) -> float | None:
        return None if self.pid is None else sum(map(cpu_seconds, family(self.pid)))

    def _front_cpu(self) -> float | None:
        return None if self.pid is None else cpu_seconds(self.pid)

    def _traffic(self) -> Traffic | None:
        return None if self.traffic is None else self.traffic()


def _spent(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def wall_s(seen: Seen) -> float:
    """From the first request to the last token."""
    streams = [*seen.streams, *seen.single]
    last = max(stream.last_at for stream in streams if stream.arrivals)
    return last - min(stream.sent for stream in streams)


def own_memory(pid: int, model_path: Path) -> dict[str, int]:
    """PSS less the model file's pages, by process: servers alive at the same time share those pages."""
    server, *workers = family(pid)
    names = ["server", *(f"worker{index or ''}" for index in range(len(workers)))]
    return {
        name: pss_bytes(each) - file_pss_bytes(each, model_path)
        for name, each in zip(names, (server, *workers), strict=True)
    }
