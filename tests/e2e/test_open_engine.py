"""NVIDIA's engine contract against a real node with the default model: each capability that it reports."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.caller import until
from tests.live import LiveServer, serving
from xapp.openengine import open_engine_pb2 as oe
from xapp.openengine import open_engine_pb2_grpc

pytestmark = pytest.mark.slow
MODEL = "smollm2-135m-q4_1"
SCHEMA = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
CALL_S = 60


class Router:
    """What a router does, with stubs on one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.control: Any = open_engine_pb2_grpc.ControlStub(channel)
        self.inference: Any = open_engine_pb2_grpc.InferenceStub(channel)

    def generate(self, name: str, prompt: str, max_tokens: int = 16, **fields: Any) -> Any:
        stopping = oe.StoppingOptions(max_tokens=max_tokens, ignore_eos=fields.pop("ignore_eos", False))
        request = oe.GenerateRequest(request_id=name, model=MODEL, prompt=prompt, stopping=stopping, **fields)
        return self.inference.Generate(request, timeout=CALL_S)

    async def text(self, name: str, prompt: str, **fields: Any) -> str:
        return "".join([each.token.text async for each in self.generate(name, prompt, **fields)])

    async def is_idle(self) -> bool:
        """Whether the node runs nothing."""
        return not (await self.control.GetLoad(oe.GetLoadRequest())).running_requests

    async def health(self) -> int:
        return int((await self.control.Health(oe.HealthRequest(), timeout=CALL_S)).state)


async def _answers(router: Router) -> None:
    responses = [each async for each in router.generate("q1", "1, 2, 3,")]
    end = responses[-1]
    tokens = [each for response in responses for each in response.token.tokens]
    assert "".join(each.token for each in tokens) == "".join(each.token.text for each in responses)
    assert len(tokens) == end.usage.completion_tokens == 16
    assert end.finished.reason == oe.FINISH_REASON_LENGTH
    top = oe.CandidateTokenSelection(top_n=3)
    wanted = oe.ResponseOptions(return_output_logprobs=True, output_candidates=top)
    (first, *_) = [each async for each in router.generate("q2", "1, 2, 3,", response=wanted)]
    token = first.token.tokens[0]
    assert len(token.candidates) == 3
    assert (token.token_id, token.logprob) == (token.candidates[0].token_id, token.candidates[0].logprob)


async def _is_held_to_guides(router: Router) -> None:
    guide = oe.GuidedDecoding
    shaped = await router.text("g1", "A number as JSON:", guided=guide(json_schema=SCHEMA), max_tokens=40)
    assert list(json.loads(shaped)) == ["n"]
    chosen = guide(choice=oe.ChoiceConstraint(choices=["north", "south"]))
    assert await router.text("g2", "Up is", guided=chosen) in {"north", "south"}
    grammar = guide(ebnf_grammar='root ::= "yes" | "no"')
    assert await router.text("g3", "Is it so?", guided=grammar) in {"yes", "no"}
    anything = guide(json_object=oe.JsonObjectConstraint())
    assert (await router.text("g4", "JSON:", guided=anything, max_tokens=8)).startswith("{")


async def _aborts(router: Router) -> None:
    call = router.generate("long", "Once", max_tokens=1500, ignore_eos=True)
    events = aiter(call)
    assert (await anext(events)).token.text
    assert (await router.control.GetLoad(oe.GetLoadRequest())).running_requests == 1
    done = await router.control.Abort(oe.AbortRequest(request_id="long"))
    assert done.status == oe.ABORT_STATUS_ABORTED
    last = [each async for each in events][-1]
    assert last.finished.reason == oe.FINISH_REASON_CANCELLED
    await until(router.is_idle)


async def _drains(server: LiveServer, router: Router) -> None:
    call = router.generate("last", "Once", max_tokens=100, ignore_eos=True)
    events = aiter(call)
    assert (await anext(events)).token.text
    server.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(server.wait_for, "draining")
    assert await router.health() == oe.HEALTH_STATE_DRAINING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await router.text("late", "hi")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    last = [each async for each in events][-1]
    assert last.usage.completion_tokens == 100


async def test_a_router_uses_the_node(default_model_path: Path) -> None:
    # A long answer has a deadline here that a busy machine would not admit.
    environ = {"XAPP_OPEN_ENGINE": "true", "XAPP_DEADLINE_ADMISSION": "false"}
    with serving(environ | {"XAPP_MODEL": str(default_model_path)}) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            router = Router(channel)
            info = await router.control.GetServerInfo(oe.GetServerInfoRequest())
            assert list(info.supported_models) == [MODEL]
            model = await router.control.GetModelInfo(oe.GetModelInfoRequest(model=MODEL))
            assert model.max_context_length > 1000
            probe = oe.HealthRequest(include_inference_probe=True)
            assert (await router.control.Health(probe)).state == oe.HEALTH_STATE_READY
            await _answers(router)
            await _is_held_to_guides(router)
            await _aborts(router)
            await _drains(server, router)
        assert await asyncio.to_thread(server.process.wait, 30) == 0
