import asyncio

import grpc
import pytest

from tests.server.conftest import Node
from tests.server.fake_service import MODEL, FakeHost, FakeService
from tests.server.rich import details_of
from xapp.domain.answers import Latencies
from xapp.domain.messages import Stats
from xapp.domain.states import ModelSample
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.metrics_sample import sample
from xapp.server.servicer import MAX_METRICS_STREAMS
from xapp.telemetry.host import HostUsage, ProcessUsage
from xapp.telemetry.reading import ModelReading, NodeReader, NodeReading


def reading(
    at: float, stats: Stats, cpu_s: float = 0.0, pid: int = 1, busy_s: float = 0.0, text_pid: int = 2
) -> NodeReading:
    """The text process has used half of the CPU time of the worker."""
    seen = ModelSample(MODEL, stats, pid, Latencies(0.5), text_pid=text_pid, num_text_restarts=3)
    model = ModelReading(seen, ProcessUsage(cpu_s, 300, 200), ProcessUsage(cpu_s / 2, 30, 20))
    host = HostUsage(busy_s, 2 * at, 1000, 2000)
    return NodeReading(at, 1_700_000_000_250_000_000, host, {MODEL: model})


def test_rates_are_over_the_time_between() -> None:
    before = reading(10.0, Stats(total_prefill_tokens=100, total_decode_tokens=50), cpu_s=1.0, busy_s=5.0)
    after = reading(12.0, Stats(total_prefill_tokens=300, total_decode_tokens=70), cpu_s=4.0, busy_s=6.0)
    got = sample("pi-1", before, after)
    (model,) = got.models
    assert (model.prefill_tokens_per_second, model.decode_tokens_per_second) == (100.0, 10.0)
    assert (model.worker_cpu_percent, model.text_cpu_percent) == (150.0, 75.0)
    assert got.host.cpu_percent == 25.0
    assert got.timestamp.ToMilliseconds() == 1_700_000_000_250


def test_a_new_worker_begins_at_zero() -> None:
    before = reading(10.0, Stats(total_decode_tokens=1000), cpu_s=50.0, pid=1)
    after = reading(11.0, Stats(total_decode_tokens=20), cpu_s=0.5, pid=2)
    (model,) = sample("pi-1", before, after).models
    assert model.decode_tokens_per_second == 20.0
    assert model.worker_cpu_percent == 50.0
    assert model.text_cpu_percent == 0.0, "the text process is the same, and its clock went back"


def test_a_new_text_process_begins_at_zero() -> None:
    before = reading(10.0, Stats(total_decode_tokens=1000), cpu_s=50.0, text_pid=2)
    after = reading(11.0, Stats(total_decode_tokens=1020), cpu_s=51.0, text_pid=3)
    (model,) = sample("pi-1", before, after).models
    assert (model.decode_tokens_per_second, model.worker_cpu_percent) == (20.0, 100.0)
    assert model.text_cpu_percent == 2550.0
    assert (model.text_rss_bytes, model.text_pss_bytes, model.num_text_restarts) == (30, 20, 3)


def test_no_time_no_rate() -> None:
    same = reading(10.0, Stats(total_decode_tokens=1000))
    (model,) = sample("pi-1", same, same).models
    assert model.decode_tokens_per_second == 0.0


def test_what_was_not_seen_is_unset() -> None:
    got = sample("pi-1", reading(1.0, Stats()), reading(2.0, Stats()))
    (model,) = got.models
    assert model.time_to_first_token.HasField("p50")
    assert not model.time_to_first_token.HasField("p95")
    assert not model.inter_token_latency.HasField("p50")
    assert not got.host.HasField("temperature_celsius")
    assert not got.host.HasField("throttled")


def test_guesses_are_counted() -> None:
    now = Stats(total_drafted=30, total_accepted=20, total_draft_steps=7)
    (model,) = sample("pi-1", reading(1.0, Stats()), reading(2.0, now)).models
    counted = (model.num_drafted_tokens, model.num_accepted_tokens, model.num_draft_steps)
    assert counted == (30, 20, 7)


async def test_streams_share_a_fresh_reading() -> None:
    reader = NodeReader(FakeService(), FakeHost())
    at_start = reader.latest
    first = await reader.read()
    assert first is not at_start
    assert await reader.read() is first


async def test_count_samples_then_the_end(node: Node) -> None:
    request = pb.MetricsRequest(count=2)
    request.interval.FromMilliseconds(100)
    samples = [item async for item in node.inference.Metrics(request)]
    assert len(samples) == 2
    (model,) = samples[0].models
    assert samples[0].node == "pi-1"
    assert (model.model, model.num_running, model.num_waiting) == (MODEL, 1, 2)
    assert (model.kv_cells_used, model.kv_cells_total) == (30, 40)
    assert (model.worker_rss_bytes, model.worker_pss_bytes) == (300, 200)
    assert (model.text_rss_bytes, model.text_pss_bytes, model.num_text_restarts) == (300, 200, 3)
    assert model.time_to_first_token.p95.ToMilliseconds() == 1250
    assert samples[0].host.memory_used_bytes == 1000
    assert samples[0].host.temperature_celsius == 61.5
    assert samples[0].host.throttled


async def test_bad_interval(node: Node) -> None:
    request = pb.MetricsRequest()
    request.interval.FromMilliseconds(99)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await node.inference.Metrics(request).read()
    bad = details_of(caught.value).bad_request
    assert bad is not None
    assert bad.field_violations[0].field == "interval"


async def test_number_of_streams_is_bounded(node: Node) -> None:
    calls = [node.inference.Metrics(pb.MetricsRequest()) for _ in range(MAX_METRICS_STREAMS)]
    await asyncio.gather(*(call.read() for call in calls))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await node.inference.Metrics(pb.MetricsRequest()).read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details_of(caught.value).info.reason == "TOO_MANY_STREAMS"
    assert details_of(caught.value).retry is not None
    for call in calls:
        call.cancel()
