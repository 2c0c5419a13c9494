"""Readings of the node, and the sample that two of them make."""

import asyncio
import time
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from xapp.domain.messages import Stats
from xapp.domain.service import Readiness
from xapp.domain.states import ModelSample
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server import respond
from xapp.telemetry.host import HostReader, HostUsage, ProcessUsage

FRESH_S = 0.05
"""Readings are shared by streams for this long, so that many streams cost as much as one."""


@dataclass(frozen=True, slots=True)
class ModelReading:
    """One model and its worker process."""

    sample: ModelSample
    process: ProcessUsage


@dataclass(frozen=True, slots=True)
class NodeReading:
    """Everything at one moment; `at` is on CLOCK_MONOTONIC, `models` by name."""

    at: float
    wall_ns: int
    host: HostUsage
    models: dict[str, ModelReading] = field(default_factory=dict)


class NodeReader:
    """Reads service and host; keeps the latest reading."""

    def __init__(self, service: Readiness, host: HostReader) -> None:
        self._service = service
        self._host = host
        self.latest = NodeReading(time.monotonic(), time.time_ns(), host.host())
        self._fresh_until = time.monotonic()

    async def read(self) -> NodeReading:
        """A reading no older than FRESH_S. The kernel may take milliseconds: a thread waits for it."""
        if time.monotonic() >= self._fresh_until:
            self.latest = await asyncio.to_thread(self._read, self._service.samples())
            self._fresh_until = self.latest.at + FRESH_S
        return self.latest

    def _read(self, samples: list[ModelSample]) -> NodeReading:
        models = {item.name: ModelReading(item, self._host.process(item.worker_pid)) for item in samples}
        return NodeReading(time.monotonic(), time.time_ns(), self._host.host(), models)


def sample(node: str, previous: NodeReading, current: NodeReading) -> pb.MetricsResponse:
    """The sample at `current`; rates are over the time since `previous`."""
    timestamp = Timestamp()
    timestamp.FromNanoseconds(current.wall_ns)
    elapsed_s = current.at - previous.at
    models = [
        _model(previous.models.get(name), reading, elapsed_s) for name, reading in current.models.items()
    ]
    return pb.MetricsResponse(
        timestamp=timestamp, node=node, models=models, host=_host(previous.host, current.host)
    )


def _model(previous: ModelReading | None, current: ModelReading, elapsed_s: float) -> pb.ModelMetrics:
    before = _comparable(previous, current)
    was, stats, process = before.sample.stats, current.sample.stats, current.process
    return pb.ModelMetrics(
        model=current.sample.name,
        num_running=stats.num_running,
        num_waiting=stats.num_waiting,
        prefill_tokens_per_second=_rate(was.total_prefill_tokens, stats.total_prefill_tokens, elapsed_s),
        decode_tokens_per_second=_rate(was.total_decode_tokens, stats.total_decode_tokens, elapsed_s),
        time_to_first_token=respond.percentiles(current.sample.time_to_first_token),
        inter_token_latency=respond.percentiles(current.sample.inter_token_latency),
        kv_cells_used=stats.kv_cells_used,
        kv_cells_total=stats.kv_cells_total,
        worker_rss_bytes=process.rss_bytes,
        worker_pss_bytes=process.pss_bytes,
        worker_cpu_percent=100 * _rate(before.process.cpu_s, process.cpu_s, elapsed_s),
    )


def _comparable(previous: ModelReading | None, current: ModelReading) -> ModelReading:
    # A worker's counters begin at 0 with it: one that is new since `previous` is compared with nothing.
    if previous is None or previous.sample.worker_pid != current.sample.worker_pid:
        return ModelReading(ModelSample(current.sample.name, Stats()), ProcessUsage())
    return previous


def _host(previous: HostUsage, current: HostUsage) -> pb.HostMetrics:
    total_s = current.cpu_total_s - previous.cpu_total_s
    return pb.HostMetrics(
        cpu_percent=100 * _rate(previous.cpu_busy_s, current.cpu_busy_s, total_s),
        memory_used_bytes=current.memory_used_bytes,
        memory_total_bytes=current.memory_total_bytes,
        temperature_celsius=current.temperature_celsius,
        throttled=current.throttled,
    )


def _rate(before: float, after: float, elapsed: float) -> float:
    return max(0.0, after - before) / elapsed if elapsed > 0 else 0.0
