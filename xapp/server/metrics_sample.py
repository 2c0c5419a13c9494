"""Makes a sample of the Metrics method from two readings of the node."""

from google.protobuf.timestamp_pb2 import Timestamp

from xapp.domain.messages import Stats
from xapp.domain.states import ModelSample
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server import respond
from xapp.server.power import add_power
from xapp.telemetry.host import HostUsage
from xapp.telemetry.reading import ModelReading, NodeReading


def sample(node: str, previous: NodeReading, current: NodeReading) -> pb.MetricsResponse:
    """The sample at `current`, with rates over the time since `previous`."""
    timestamp = Timestamp()
    timestamp.FromNanoseconds(current.wall_ns)
    elapsed_s = current.at - previous.at
    models = [
        _model(previous.models.get(name), reading, elapsed_s) for name, reading in current.models.items()
    ]
    host = _host(previous.host, current.host)
    add_power(host, previous, current)
    return pb.MetricsResponse(timestamp=timestamp, node=node, models=models, host=host)


def _model(previous: ModelReading | None, current: ModelReading, elapsed_s: float) -> pb.ModelMetrics:
    before = _comparable(previous, current)
    was, stats, worker, text = before.sample.stats, current.sample.stats, current.worker, current.text
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
        worker_rss_bytes=worker.rss_bytes,
        worker_pss_bytes=worker.pss_bytes,
        worker_cpu_percent=100 * _rate(before.worker.cpu_s, worker.cpu_s, elapsed_s),
        text_rss_bytes=text.rss_bytes,
        text_pss_bytes=text.pss_bytes,
        text_cpu_percent=100 * _rate(before.text.cpu_s, text.cpu_s, elapsed_s),
        num_text_restarts=current.sample.num_text_restarts,
        num_drafted_tokens=stats.total_drafted,
        num_accepted_tokens=stats.total_accepted,
        num_draft_steps=stats.total_draft_steps,
    )


def _comparable(previous: ModelReading | None, current: ModelReading) -> ModelReading:
    """A process's counters begin at 0. A process that is new since `previous` has no earlier value."""
    now, was = current.sample, previous.sample if previous else None
    same_worker = was is not None and was.worker_pid == now.worker_pid
    same_text = was is not None and was.text_pid == now.text_pid
    nothing = ModelReading(ModelSample(now.name, Stats()))
    return ModelReading(
        previous.sample if previous and same_worker else nothing.sample,
        previous.worker if previous and same_worker else nothing.worker,
        previous.text if previous and same_text else nothing.text,
    )


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
