"""Readings of the node: its models, their processes and the host at one moment, for both ports."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from xapp.domain.power import PowerState
from xapp.domain.service import Readiness
from xapp.domain.states import ModelSample
from xapp.telemetry.host import HostReader, HostUsage, ProcessUsage

FRESH_S = 0.05
"""Streams share a reading for this many seconds, so that many streams cost as much as one."""


@dataclass(frozen=True, slots=True)
class ModelReading:
    """One loaded model, its worker process and its text process."""

    sample: ModelSample
    worker: ProcessUsage = ProcessUsage()
    text: ProcessUsage = ProcessUsage()


@dataclass(frozen=True, slots=True)
class NodeReading:
    """The whole node at one moment. `at` is on CLOCK_MONOTONIC. `models` are by name."""

    at: float
    wall_ns: int
    host: HostUsage
    models: dict[str, ModelReading] = field(default_factory=dict)
    power: PowerState = PowerState()


def read_models(samples: Iterable[ModelSample], host: HostReader) -> dict[str, ModelReading]:
    """The models by name. The kernel may take milliseconds for a process: asyncio code calls this in a
    thread.
    """
    return {
        sample.name: ModelReading(sample, host.process(sample.worker_pid), host.process(sample.text_pid))
        for sample in samples
    }


class NodeReader:
    """Reads the service and the host. Keeps the latest reading."""

    def __init__(self, service: Readiness, host: HostReader) -> None:
        self._service = service
        self._host = host
        self.latest = NodeReading(time.monotonic(), time.time_ns(), host.host())
        self._fresh_until = time.monotonic()

    async def read(self) -> NodeReading:
        """A reading no older than FRESH_S."""
        if time.monotonic() >= self._fresh_until:
            samples, power = self._service.samples(), self._service.power_state
            self.latest = await asyncio.to_thread(self._read, samples, power)
            self._fresh_until = self.latest.at + FRESH_S
        return self.latest

    def _read(self, samples: list[ModelSample], power: PowerState) -> NodeReading:
        models = read_models(samples, self._host)
        return NodeReading(time.monotonic(), time.time_ns(), self._host.host(), models, power)
