"""One server that is compared: its client process, and its own processes where this machine sees them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.child import Child, ChildError
from perf.compare.commands import Command, Failed, Reply, Seen
from perf.compare.samples import Costs
from perf.memory import cpu_seconds, family, file_pss_bytes, pss_bytes
from perf.network.counters import Counter
from perf.record import schema
from perf.streams import Stream
from perf.targets.base import TargetError


@dataclass(frozen=True, slots=True)
class Contestant:
    """`pid` is None for a server elsewhere. `queues`: it answers one request after another."""

    target: schema.Target
    client: Child
    model_path: Path
    pid: int | None = None
    queues: bool = False
    wire: Counter | None = None

    @property
    def name(self) -> str:
        """As in samples and figures."""
        return self.target.name

    def play(self, command: Command) -> tuple[Seen, Costs]:
        """One load, and what it cost. Raises TargetError."""
        cpu, wire = self._cpu(), self._wire()
        seen = self._ask(command)
        return seen, Costs(
            wall_s=_wall([*seen.streams, *seen.single]),
            client_cpu_s=seen.client_cpu_s,
            server_cpu_s=_since(cpu, self._cpu()),
            pss_bytes=self._memory(),
            wire_bytes_sent=_since(wire and wire.sent, (now := self._wire()) and now.sent),
            wire_bytes_received=_since(wire and wire.received, now and now.received),
        )

    def _ask(self, command: Command) -> Seen:
        try:
            reply: Reply = msgspec.json.decode(self.client.ask(command), type=Reply)
        except (ChildError, OSError) as error:
            raise TargetError("lost", f"{self.name}: its client ended: {error}") from error
        if isinstance(reply, Failed):
            raise TargetError(reply.code, f"{self.name}: {reply.message}")
        return reply
