"""NVIDIA's engine contract, openengine.v1, on the scripted service."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.server.conftest import Node, running, settings
from tests.server.fake_service import FINISHED, INFO, MODEL, FakeService, endless, failing, started
from tests.server.rich import details_of
from tests.server.test_access import bearer, secured
from tests.server.test_services import health, reflected
from xapp.domain.answers import Chunk, DrawnToken, Event, TokenScore
from xapp.domain.format_kinds import Choices, Grammar, JsonSchema
from xapp.domain.priority import Priority
from xapp.domain.requests import Request
from xapp.edge.watchdog import Watchdog
from xapp.errors import Exhausted, InvalidArgument, Unavailable
from xapp.openengine import open_engine_pb2 as oe
from xapp.openengine import open_engine_pb2_grpc
from xapp.server.open_engine.running_requests import MOST_ENDED, RunningRequests

CODES = grpc.StatusCode
INVALID, NOT_FOUND = CODES.INVALID_ARGUMENT, CODES.NOT_FOUND


class Engine:
    """Stubs of both services on one channel."""

    def __init__(self, node: Node, metadata: Any = ()) -> None:
        self.node = node
        self.metadata = metadata
        self.inference: Any = open_engine_pb2_grpc.InferenceStub(node.channel)
        self.control: Any = open_engine_pb2_grpc.ControlStub(node.channel)

    def generate(self, request: oe.GenerateRequest, **options: Any) -> Any:
        return self.inference.Generate(request, **{"metadata": self.metadata} | options)

    async def responses(self, request: oe.GenerateRequest, **options: Any) -> list[oe.GenerateResponse]:
        return [each async for each in self.generate(request, **options)]


@contextlib.asynccontextmanager
async def connected(service: FakeService, configured: Any = None) -> AsyncIterator[Engine]:
    async with running(service, configured or settings(open_engine=True)) as node:
        yield Engine(node)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def engine(service: FakeService) -> AsyncIterator[Engine]:
    async with connected(service) as engine:
        yield engine


def asking(name: str = "r1", prompt: str = "hi", **fields: Any) -> oe.GenerateRequest:
    return oe.GenerateRequest(request_id=name, prompt=prompt, **fields)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_it_is_off_by_default() -> None:
    async with connected(FakeService(), settings()) as engine:
        assert (await refusal(engine.control.GetServerInfo(oe.GetServerInfoRequest())))[
            0
        ] is CODES.UNIMPLEMENTED
        assert (await refusal(engine.responses(asking())))[0] is CODES.UNIMPLEMENTED


async def test_an_answer_is_pieces_and_one_end(engine: Engine, service: FakeService) -> None:
    responses = await engine.responses(asking(model=MODEL))
    assert [each.WhichOneof("event") for each in responses] == ["token", "token", "finished"]
    assert {each.request_id for each in responses} == {"r1"}
    assert "".join(each.token.text for each in responses) == "Hello"
    end = responses[-1]
    assert (end.finished.output_index, end.finished.reason) == (0, oe.FINISH_REASON_STOP)
    assert end.finished.HasField("output_index")
    usage = end.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cached_prompt_tokens) == (
        FINISHED.num_prompt_tokens,
        FINISHED.num_completion_tokens,
        5,
        FINISHED.num_cached_tokens,
    )
    assert [each.HasField("usage") for each in responses] == [False, False, True]
    assert service.requests[0].correlation_id == "r1"


async def test_what_a_request_says_reaches_the_service(engine: Engine, service: FakeService) -> None:
    sampling = oe.SamplingParams(
        temperature=0.5, top_p=0.25, top_k=3, min_p=0.125, frequency_penalty=1, presence_penalty=-1,
        repetition_penalty=1.5, seed=9, num_sequences=1,
    )  # fmt: skip
    stopping = oe.StoppingOptions(max_tokens=5, ignore_eos=True, conditions=[oe.StopCondition(stop_text=".")])
    await engine.responses(asking(sampling=sampling, stopping=stopping, kv=oe.KvOptions(cache_salt="blue")))
    asked = service.requests[0]
    drawn = asked.sampling
    assert (drawn.temperature, drawn.top_p, drawn.top_k, drawn.min_p) == (0.5, 0.25, 3, 0.125)
    assert (drawn.frequency_penalty, drawn.presence_penalty, drawn.repeat_penalty) == (1, -1, 1.5)
    assert (asked.seed, asked.max_tokens, asked.stop, asked.ignore_eos) == (9, 5, (".",), True)
    assert asked.scope == " salt blue"


async def ended_by_stop(request: Request) -> AsyncGenerator[Event, None]:
    yield started(request)
    yield replace(FINISHED, stop_text=".")


async def test_the_stop_text_is_told(engine: Engine) -> None:
    assert not (await engine.responses(asking()))[-1].finished.HasField("stop_match")
    async with connected(FakeService(ended_by_stop)) as other:
        (last,) = await other.responses(asking())
    assert last.finished.stop_match.stop_text == "."


async def test_the_salt_separates_prefixes(engine: Engine, service: FakeService) -> None:
    for salt in ("blue", "red", ""):
        await engine.responses(asking(kv=oe.KvOptions(cache_salt=salt)))
    assert len({each.scope for each in service.requests}) == 3


@pytest.mark.parametrize(
    ("guided", "wanted"),
    [
        (oe.GuidedDecoding(json_schema='{"type":"string"}'), JsonSchema('{"type":"string"}')),
        (oe.GuidedDecoding(ebnf_grammar='root ::= "a"'), Grammar('root ::= "a"')),
        (oe.GuidedDecoding(choice=oe.ChoiceConstraint(choices=["a", "b"])), Choices(("a", "b"))),
        (oe.GuidedDecoding(json_object=oe.JsonObjectConstraint()), JsonSchema('{"type":"object"}')),
        (oe.GuidedDecoding(), None),
    ],
)
async def test_guides(guided: oe.GuidedDecoding, wanted: Any, engine: Engine, service: FakeService) -> None:
    await engine.responses(asking(guided=guided))
    assert service.requests[0].format == wanted


@pytest.mark.parametrize(
    ("level", "wanted"), [("7", Priority.CRITICAL), ("0", Priority.INTERACTIVE), ("-1", Priority.BATCH)]
)
async def test_priorities(level: str, wanted: Priority, engine: Engine, service: FakeService) -> None:
    await engine.responses(asking(), metadata=(("openengine-priority", level),))
    assert service.requests[0].priority is wanted


@pytest.mark.parametrize(
    "metadata",
    [
        (("openengine-priority", "high"),),
        (("openengine-priority", "--1"),),
        (("openengine-priority", "2147483648"),),
        (("openengine-priority", "1" * 9000),),
        (("openengine-priority", "1"), ("openengine-priority", "1")),
        (("openengine-target-dp-rank", "1"),),
        (("openengine-target-dp-rank", "-1"),),
        (("openengine-routing-key", "a"), ("openengine-routing-key", "b")),
    ],
)
async def test_malformed_metadata_is_refused(metadata: Any, engine: Engine) -> None:
    code, text = await refusal(engine.responses(asking(), metadata=metadata))
    assert code is INVALID
    assert metadata[0][0] in text


def drawing(request: Request) -> AsyncGenerator[Event, None]:
    async def script() -> AsyncGenerator[Event, None]:
        yield started(request)
        top = (TokenScore(5, b"a", -0.5), TokenScore(6, b"\xff", -1.5))
        yield Chunk("a", 1, (DrawnToken(TokenScore(5, b"a", -0.5), top),))
        yield FINISHED

    return script()


async def test_tokens_have_their_ids_and_on_request_their_log_probabilities() -> None:
    service = FakeService(drawing)
    async with connected(service) as engine:
        plain = (await engine.responses(asking()))[0].token
        top = oe.CandidateTokenSelection(top_n=2)
        wanted = oe.ResponseOptions(return_output_logprobs=True, output_candidates=top)
        rich = (await engine.responses(asking(response=wanted)))[0].token
    assert [(each.token_id, each.token, each.HasField("logprob")) for each in plain.tokens] == [
        (5, "a", False)
    ]
    assert rich.tokens[0].logprob == -0.5
    assert [(each.token_id, each.token) for each in rich.tokens[0].candidates] == [(5, "a"), (6, "�")]
    assert [each.sampling.top_log_probabilities for each in service.requests] == [0, 2]


ONE_IMAGE = [oe.MediaItem(mime_type="image/png")]


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        (asking(""), "request_id"),
        (asking("x" * 129), "request_id"),
        (asking("a\nb"), "request_id"),
        (asking(prompt=""), "prompt"),
        (oe.GenerateRequest(request_id="r"), "prompt"),
        (oe.GenerateRequest(request_id="r", token_ids=oe.TokenIds(ids=[1])), "token_ids"),
        (asking(sampling=oe.SamplingParams(num_sequences=2)), "sampling.num_sequences"),
        (asking(sampling=oe.SamplingParams(num_sequences=0)), "sampling.num_sequences"),
        (asking(sampling=oe.SamplingParams(top_p=2)), "sampling.top_p"),
        (asking(sampling=oe.SamplingParams(temperature=float("nan"))), "sampling.temperature"),
        (asking(sampling=oe.SamplingParams(top_k=-1)), "sampling.top_k"),
        (asking(sampling=oe.SamplingParams(seed=2**64 - 1)), "sampling.seed"),
        (asking(sampling=oe.SamplingParams(repetition_penalty=0)), "sampling.repetition_penalty"),
        (asking(stopping=oe.StoppingOptions(max_tokens=0)), "stopping.max_tokens"),
        (asking(stopping=oe.StoppingOptions(min_tokens=1)), "stopping.min_tokens"),
        (asking(stopping=oe.StoppingOptions(include_stop_in_output=True)), "stopping.include_stop_in_output"),
        (asking(stopping=oe.StoppingOptions(conditions=[oe.StopCondition()])), "stopping.conditions[0]"),
        (
            asking(stopping=oe.StoppingOptions(conditions=[oe.StopCondition(stop_token_id=1)])),
            "conditions[0]",
        ),
        (asking(stopping=oe.StoppingOptions(conditions=[oe.StopCondition(stop_text="")])), "conditions[0]"),
        (asking(response=oe.ResponseOptions(return_prompt_logprobs=True)), "response.return_prompt_logprobs"),
        (
            asking(response=oe.ResponseOptions(output_candidates=oe.CandidateTokenSelection(top_n=1))),
            "response.output_candidates",
        ),
        (
            asking(
                response=oe.ResponseOptions(
                    return_output_logprobs=True, output_candidates=oe.CandidateTokenSelection(top_n=21)
                )
            ),
            "output_candidates.top_n",
        ),
        (asking(kv=oe.KvOptions(session=oe.KvSessionRef())), "kv.session"),
        (asking(kv=oe.KvOptions(bypass_prefix_cache=True)), "kv.bypass_prefix_cache"),
        (asking(kv=oe.KvOptions(cache_salt="x" * 200)), "kv.cache_salt"),
        (asking(guided=oe.GuidedDecoding(regex="a")), "guided.regex"),
        (asking(guided=oe.GuidedDecoding(json_schema="")), "guided.json_schema"),
        (asking(guided=oe.GuidedDecoding(ebnf_grammar=" ")), "guided.ebnf_grammar"),
        (asking(guided=oe.GuidedDecoding(backend="xgrammar")), "guided.backend"),
        (asking(media=ONE_IMAGE), "media"),
        (asking(lora_name="mine"), "lora_name"),
    ],
)
async def test_what_is_wrong_or_lacking_is_named(
    request_: oe.GenerateRequest, place: str, engine: Engine, service: FakeService
) -> None:
    code, text = await refusal(engine.responses(request_))
    assert code is INVALID
    assert place in text
    assert not service.requests


async def test_a_refusal_before_the_answer_is_a_status() -> None:
    async with connected(FakeService(failing(Exhausted("full", reason="QUEUE_FULL")))) as engine:
        assert (await refusal(engine.responses(asking())))[0] is CODES.RESOURCE_EXHAUSTED


def breaking(error: Exception) -> Any:
    async def script(request: Request) -> AsyncGenerator[Event, None]:
        yield started(request)
        yield Chunk("a", 1)
        raise error

    return script


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (Unavailable("ends", reason="DRAINING", retry_after_s=1), oe.ERROR_CODE_DRAINING, True),
        (Unavailable("lost", retry_after_s=1), oe.ERROR_CODE_INTERNAL, True),
        (Exhausted("no memory"), oe.ERROR_CODE_OVERLOADED, False),
        (InvalidArgument("format", "takes too much work"), oe.ERROR_CODE_INVALID_ARGUMENT, False),
    ],
)
async def test_a_failure_within_the_answer_is_its_last_response(
    error: Exception, code: int, retryable: bool
) -> None:
    async with connected(FakeService(breaking(error))) as engine:
        responses = await engine.responses(asking())
    assert [each.WhichOneof("event") for each in responses] == ["token", "error"]
    assert (responses[-1].error.code, responses[-1].error.retryable) == (code, retryable)


async def test_a_defect_is_no_lost_connection() -> None:
    async with connected(FakeService(breaking(RuntimeError("defect")))) as engine:
        assert (await refusal(engine.responses(asking())))[0] is CODES.INTERNAL


# ---- Abort


def abort(**target: Any) -> oe.AbortRequest:
    return oe.AbortRequest(**target)


async def test_abort_ends_the_work_and_the_answer() -> None:
    service = FakeService(endless("x", asyncio.Event()))
    async with connected(service) as engine:
        call = engine.generate(asking("mine"))
        assert (await call.read()).token.text == "x"
        assert (await engine.control.Abort(abort(request_id="mine"))).status == oe.ABORT_STATUS_ABORTED
        end = await call.read()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is CODES.OK
        await service.closed.wait()
        again = await engine.control.Abort(abort(request_id="mine"))
    assert (end.finished.reason, end.usage.prompt_tokens, end.usage.completion_tokens) == (
        oe.FINISH_REASON_CANCELLED,
        3,
        1,
    )
    assert again.status == oe.ABORT_STATUS_ALREADY_FINISHED


async def test_abort_of_a_client_that_does_not_read() -> None:
    """The answer cannot end with a last response, but the work ends."""
    service = FakeService(endless("x" * 100_000))
    async with connected(service) as engine:
        call = engine.generate(asking("mine"))
        await call.read()
        await engine.control.Abort(abort(request_id="mine"))
        await service.closed.wait()
        call.cancel()


async def test_abort_of_all_requests_of_the_caller() -> None:
    async with connected(FakeService(endless("x", asyncio.Event()))) as engine:
        calls = {
            name: engine.generate(asking(name), metadata=(("x-client-id", name[0]),))
            for name in ("a1", "a2", "b1")
        }
        for call in calls.values():
            await call.read()
        everything = abort(all_requests=oe.AllRequests())
        answer = await engine.control.Abort(everything, metadata=(("x-client-id", "a"),))
        assert answer.message == "2 requests"
        for name in ("a1", "a2"):
            assert (await calls[name].read()).finished.reason == oe.FINISH_REASON_CANCELLED
        not_its = engine.control.Abort(abort(request_id="b1"), metadata=(("x-client-id", "a"),))
        assert (await refusal(not_its))[0] is NOT_FOUND


async def test_a_name_belongs_to_one_running_request() -> None:
    async with connected(FakeService(endless("x", asyncio.Event()))) as engine:
        call = engine.generate(asking("mine"))
        await call.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await engine.responses(asking("mine"))
        assert details_of(caught.value).info.reason == "DUPLICATE_REQUEST"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (abort(), INVALID),
        (abort(request_id="nobody's"), NOT_FOUND),
        (abort(request_id=""), NOT_FOUND),
        (abort(kv_session=oe.KvSessionRef()), NOT_FOUND),
    ],
)
async def test_an_abort_of_nothing(request_: oe.AbortRequest, code: grpc.StatusCode, engine: Engine) -> None:
    assert (await refusal(engine.control.Abort(request_)))[0] is code


async def test_few_ended_requests_are_remembered() -> None:
    running, watchdog = RunningRequests(), Watchdog(30)
    for number in range(MOST_ENDED + 1):
        with watchdog.watch() as stream, running.hold("", str(number), stream):
            pass
    assert not running.abort("", "1")
    with pytest.raises(Exception, match="has no request"):
        running.abort("", "0")


async def test_a_client_that_goes_ends_the_work() -> None:
    service = FakeService(endless("x"))
    async with connected(service) as engine:
        call = engine.generate(asking())
        await call.read()
        call.cancel()
        await service.closed.wait()


# ---- what a router asks


async def test_the_server_and_its_models(engine: Engine) -> None:
    info = await engine.control.GetServerInfo(oe.GetServerInfoRequest())
    assert (info.engine_name, info.engine_role) == ("genai-xapp", oe.ENGINE_ROLE_AGGREGATED)
    assert list(info.supported_models) == [MODEL]
    assert info.instance_id.startswith("pi-1-")
    assert (info.schema_revision, info.minimum_client_revision, len(info.schema_release)) == (1, 1, 40)
    capacity = info.capacity
    assert (capacity.kv_block_size, capacity.total_kv_blocks) == (1, INFO.kv_cells_total)
    assert (capacity.max_running_requests, capacity.max_batched_tokens) == (INFO.num_slots, INFO.batch_tokens)


async def test_the_capabilities_of_a_model(engine: Engine) -> None:
    info = await engine.control.GetModelInfo(oe.GetModelInfoRequest(model=MODEL))
    assert (info.served_model_name, info.max_context_length) == (MODEL, INFO.context_length)
    assert (info.supports_text_input, info.supports_token_ids_input, info.supports_lora) == (
        True,
        False,
        False,
    )
    generation = info.generation
    assert (generation.output_logprobs.max_top_n, generation.max_num_sequences) == (20, 1)
    assert not generation.prompt_logprobs.supported
    assert generation.prompt_logprobs.HasField("supported")
    assert oe.GUIDED_DECODING_MODE_REGEX not in generation.guided_decoding.modes


@pytest.mark.parametrize(("name", "code"), [("", INVALID), ("other", NOT_FOUND), ("no", NOT_FOUND)])
async def test_models_that_do_not_serve(name: str, code: grpc.StatusCode, engine: Engine) -> None:
    assert (await refusal(engine.control.GetModelInfo(oe.GetModelInfoRequest(model=name))))[0] is code


async def test_the_load(engine: Engine, service: FakeService) -> None:
    load = await engine.control.GetLoad(oe.GetLoadRequest(include_per_rank=True))
    stats = service.stats
    assert (load.running_requests, load.queued_requests) == (stats.num_running, stats.num_waiting)
    assert (load.used_kv_blocks, load.total_kv_blocks) == (stats.kv_cells_used, stats.kv_cells_total)
    assert load.ranks[0].running_requests == stats.num_running
    assert load.attributes["predicted_wait_s"] == 0
    assert not load.HasField("running_tokens")
    assert not (await engine.control.GetLoad(oe.GetLoadRequest())).ranks


async def test_health(engine: Engine, service: FakeService) -> None:
    healthy = await engine.control.Health(oe.HealthRequest(include_inference_probe=True))
    assert healthy.state == oe.HEALTH_STATE_READY
    assert [each.name for each in healthy.checks] == ["model", "inference_probe"]
    assert service.requests[0].max_tokens == 1
    service.draining = True
    assert (await engine.control.Health(oe.HealthRequest())).state == oe.HEALTH_STATE_DRAINING
    wrong = oe.HealthRequest(role=oe.ENGINE_ROLE_PREFILL)
    assert (await refusal(engine.control.Health(wrong)))[0] is INVALID


async def test_a_probe_that_fails_says_why() -> None:
    async with connected(FakeService(failing(Exhausted("full")))) as engine:
        answer = await engine.control.Health(oe.HealthRequest(include_inference_probe=True))
    assert answer.state == oe.HEALTH_STATE_NOT_READY
    assert answer.checks[1].message == "RESOURCE_EXHAUSTED: full"


@pytest.mark.parametrize("name", ["openengine.v1.Inference", "openengine.v1.Control"])
async def test_health_and_reflection_know_the_services(name: str, engine: Engine) -> None:
    channel = engine.node.channel
    status = await health(channel).Check(health_pb2.HealthCheckRequest(service=name))
    assert status.status == health_pb2.HealthCheckResponse.SERVING
    described = await reflected(channel, reflection_pb2.ServerReflectionRequest(file_containing_symbol=name))
    assert described.HasField("file_descriptor_response")


POLICY = """
[planner]
methods = ["Generate", "GetServerInfo", "Abort", "Health"]
models = ["tiny"]
priorities = ["interactive"]
[guest]
models = ["other"]
"""


async def test_the_access_policy_holds(tmp_path: Path) -> None:
    async with connected(FakeService(), secured(tmp_path, POLICY, open_engine=True)) as engine:
        assert (await refusal(engine.responses(asking())))[0] is CODES.UNAUTHENTICATED
        assert len(await engine.responses(asking(), metadata=bearer("planner"))) == 3
        denied = CODES.PERMISSION_DENIED
        high = (*bearer("planner"), ("openengine-priority", "1"))
        assert (await refusal(engine.responses(asking(), metadata=high)))[0] is denied
        assert (await refusal(engine.responses(asking(), metadata=bearer("guest"))))[0] is denied
        load = engine.control.GetLoad(oe.GetLoadRequest(), metadata=bearer("planner"))
        assert (await refusal(load))[0] is denied
        seen = await engine.control.GetServerInfo(oe.GetServerInfoRequest(), metadata=bearer("guest"))
        assert not seen.supported_models
        probe = oe.HealthRequest(include_inference_probe=True)
        assert (await refusal(engine.control.Health(probe, metadata=bearer("guest"))))[0] is denied
