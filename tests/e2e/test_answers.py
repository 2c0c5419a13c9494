"""The contract's good cases, on the default model."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.e2e.caller import SERVING, Caller, calling, counted, get, text_of
from tests.live import LiveServer
from xapp.client import system, user
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import models_pb2

pytestmark = pytest.mark.slow

CHAT = pb.Chat(messages=[system("Answer in one word."), user("What is the capital of France?")])
STORY = "Once upon a time there was a small tower on a hill"


@pytest.fixture
async def caller(live_model_server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(live_model_server) as caller:
        yield caller


@pytest.mark.parametrize(
    "request_",
    [pb.GenerateRequest(prompt=STORY, max_tokens=24), pb.GenerateRequest(chat=CHAT, max_tokens=24)],
    ids=["prompt", "chat"],
)
async def test_started_chunks_finished(caller: Caller, request_: pb.GenerateRequest) -> None:
    events = await caller.generate(request_)
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["started", *["chunk"] * (len(kinds) - 2), "finished"]
    started, usage = events[0].started, events[-1].finished.usage
    assert started.model_digest.startswith("sha256:")
    assert usage.num_prompt_tokens == started.num_prompt_tokens
    assert sum(event.chunk.num_tokens for event in events) == usage.num_completion_tokens
    assert all(event.chunk.text for event in events[1:-1])


async def test_an_answer_comes_in_pieces_and_ends_at_max_tokens(caller: Caller) -> None:
    events = await caller.generate(pb.GenerateRequest(prompt=STORY, max_tokens=16, ignore_eos=True))
    assert len(events) > 4
    finished = events[-1].finished
    assert finished.finish_reason == pb.FINISH_REASON_LENGTH
    assert finished.usage.num_completion_tokens == 16
    timing = finished.timing
    parts = timing.queue.ToNanoseconds() + timing.prefill.ToNanoseconds()
    assert parts == pytest.approx(timing.time_to_first_token.ToNanoseconds(), abs=10)
    assert timing.decode.ToNanoseconds() > 0


async def test_the_capital_of_france_and_a_stop_text(caller: Caller) -> None:
    whole = await caller.generate(pb.GenerateRequest(chat=CHAT, max_tokens=24))
    assert "Paris" in text_of(whole)
    assert whole[-1].finished.finish_reason == pb.FINISH_REASON_STOP
    cut = await caller.generate(pb.GenerateRequest(chat=CHAT, max_tokens=24, stop=["aris"]))
    assert text_of(cut) == text_of(whole).split("aris")[0]
    assert cut[-1].finished.finish_reason == pb.FINISH_REASON_STOP


async def test_greedy_repeats_itself_and_finds_its_prompt_cached(caller: Caller) -> None:
    request = pb.GenerateRequest(prompt=STORY + " by the sea,", max_tokens=12)
    first, second = await caller.generate(request), await caller.generate(request)
    assert text_of(first) == text_of(second)
    usage = second[-1].finished.usage
    assert usage.num_cached_tokens == second[0].started.num_cached_tokens
    assert usage.num_cached_tokens >= usage.num_prompt_tokens - 1


async def test_a_seed_repeats_itself_and_the_one_drawn_is_told(caller: Caller) -> None:
    hot = pb.SamplingParams(temperature=1.5)
    drawn = await caller.generate(pb.GenerateRequest(prompt=STORY, max_tokens=12, sampling=hot))
    hot.seed = drawn[0].started.seed
    again = await caller.text(pb.GenerateRequest(prompt=STORY, max_tokens=12, sampling=hot))
    assert again == text_of(drawn)
    hot.seed = (hot.seed + 1) % (2**32 - 1)
    other = await caller.text(pb.GenerateRequest(prompt=STORY, max_tokens=12, sampling=hot))
    assert other != again


async def test_tokenize_counts_as_generate_does(caller: Caller) -> None:
    tokens = await caller.inference.Tokenize(pb.TokenizeRequest(chat=CHAT))
    events = await caller.generate(pb.GenerateRequest(chat=CHAT, max_tokens=1))
    assert tokens.num_tokens == len(tokens.tokens) == events[0].started.num_prompt_tokens
    assert tokens.context_length == (await caller.model()).context_length


async def test_metrics_count_and_interval(caller: Caller) -> None:
    request = pb.MetricsRequest(interval=Duration(nanos=100_000_000), count=3)
    samples = [sample async for sample in caller.inference.Metrics(request)]
    assert len(samples) == 3
    times = [sample.timestamp.ToNanoseconds() for sample in samples]
    # A reading may be shared for 50 ms, so the first may be older than its call.
    assert all(later - sooner > 50_000_000 for sooner, later in pairwise(times))
    (model,) = samples[-1].models
    assert model.kv_cells_total >= model.kv_cells_used > 0
    assert model.worker_rss_bytes > 50_000_000
    assert samples[-1].host.memory_total_bytes > samples[-1].host.memory_used_bytes > 0


async def test_the_model_is_listed(caller: Caller) -> None:
    listed = (await caller.models.ListModels(models_pb2.ListModelsRequest())).models
    (default,) = [model for model in listed if model.is_default]
    assert default == await caller.model() == await caller.model(default.name)
    assert default.state == models_pb2.MODEL_STATE_READY
    assert default.has_chat_template
    assert default.num_slots >= 1
    assert default.size_bytes > 90_000_000


async def test_health_reflection_and_http(caller: Caller) -> None:
    assert await caller.check() == SERVING
    reflect = reflection_pb2_grpc.ServerReflectionStub(caller.channel).ServerReflectionInfo
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    (listed,) = [answer async for answer in reflect(iter([asked]))]
    names = {service.name for service in listed.list_services_response.service}
    assert {"xapp.inference.v1.InferenceService", "xapp.inference.v1.ModelService"} <= names
    for path, status in (("alive", "alive"), ("ready", "ready")):
        assert await get(caller.server, f"/ric/v1/health/{path}") == (200, f'{{"status": "{status}"}}')
    for path in ("/metrics", "/ric/v1/metrics"):
        code, page = await get(caller.server, path)
        assert code == 200
        assert "ricxapp_genai_ready 1.0" in page


async def test_prometheus_counts_what_was_answered(caller: Caller) -> None:
    before = await counted(caller.server, "tokens_total", kind="completion")
    usage = (await caller.generate(pb.GenerateRequest(prompt=STORY, max_tokens=5)))[-1].finished.usage
    after = await counted(caller.server, "tokens_total", kind="completion")
    assert after - before == usage.num_completion_tokens
    assert await counted(caller.server, "time_to_first_token_seconds_count") > 0


async def test_metrics_have_the_text_process(caller: Caller) -> None:
    sample = await caller.sample()
    assert 0 < sample.text_rss_bytes < sample.worker_rss_bytes
    assert 0 < sample.text_pss_bytes <= sample.text_rss_bytes
    assert sample.num_text_restarts == 0
