"""A whole node service with another node above it, over real gRPC."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest

from tests.flat_settings import flat_settings
from tests.routing.test_classifier import GOOD
from tests.routing.test_linear_probe import GOOD as PROBE
from tests.routing.test_router import routed_of
from tests.scripted_node import Fault, Hang, ScriptedNode, chunk, finished, full, started, unavailable
from tests.service.nodes import DIGEST, Node, collect, text_of
from xapp.backend.fake_rule import HIDDEN_SIZE
from xapp.domain.answers import Finished
from xapp.domain.format_kinds import Choices
from xapp.domain.requests import Request
from xapp.domain.routing import Routing, RoutingMode, RoutingReason
from xapp.domain.serving_policy import ServingPolicy, Statement
from xapp.errors import ConfigError, Exhausted, FailedPrecondition, PermissionDenied, Unavailable
from xapp.inference.v1 import inference_pb2 as pb
from xapp.routing.routed_service import RoutedService

UPSTREAM = Request("hi", max_tokens=4, routing=Routing(RoutingMode.UPSTREAM))
LOCAL = Routing(RoutingMode.LOCAL)
AUTO = Request("hi", max_tokens=4, routing=Routing(RoutingMode.AUTO))


@asynccontextmanager
async def routed(
    node: Node, above: ScriptedNode | None = None, **fields: Any
) -> AsyncIterator[RoutedService]:
    """The service of the node, READY, below `above`."""
    values = {"upstream_kind": "genai-xapp", "upstream_target": above.target} if above else {}
    plain = {"upstream_plain_text": True, "upstream_first_token_timeout_s": 5.0} if above else {}
    settings = node.settings(**{**values, **plain, **fields})
    async with RoutedService(settings, tools=node.tools()) as service:
        await service.wait_ready()
        yield service


async def test_a_node_without_upstream_is_as_it_was(node: Node) -> None:
    async with routed(node) as service:
        events = await collect(service, Request("hi", max_tokens=4))
        assert text_of(events)
        assert isinstance(events[-1], Finished)
        assert events[-1].routed is None
        assert routed_of(await collect(service, AUTO)).reason is RoutingReason.NO_UPSTREAM
        with pytest.raises(FailedPrecondition):
            await collect(service, UPSTREAM)


async def test_the_node_above_answers(node: Node, above: ScriptedNode) -> None:
    async with routed(node, above) as service:
        events = await collect(service, UPSTREAM)
    assert text_of(events) == "Hello wörld"
    assert routed_of(events).reason is RoutingReason.REQUESTED
    asked = above.requests[0]
    assert (asked.prompt, asked.max_tokens) == ("hi", 4)


async def test_the_limits_of_this_node_hold(node: Node, above: ScriptedNode) -> None:
    async with routed(node, above, max_output_tokens=3) as service:
        await collect(service, UPSTREAM)
    assert above.requests[0].max_tokens == 3


async def test_the_quota_of_the_caller_holds(node: Node, above: ScriptedNode) -> None:
    quotas = '{"default": {"requests_per_s": 0.001, "burst_s": 1000}}'
    async with routed(node, above, quotas=quotas) as service:
        await collect(service, UPSTREAM)
        with pytest.raises(Exhausted) as caught:
            await collect(service, UPSTREAM)
    assert caught.value.reason == "QUOTA_EXCEEDED"
    assert len(above.requests) == 1


async def test_a_request_that_comes_back_is_counted_once(node: Node, above: ScriptedNode) -> None:
    above.script = [(unavailable(1.0),)]
    quotas = '{"default": {"requests_per_s": 0.001, "burst_s": 1000}}'
    async with routed(node, above, quotas=quotas) as service:
        events = await collect(service, UPSTREAM)
        assert routed_of(events).reason is RoutingReason.UPSTREAM_FAILED
        with pytest.raises(Exhausted):
            await collect(service, UPSTREAM)


async def test_a_part_of_a_request_is_no_request_of_the_caller(node: Node, above: ScriptedNode) -> None:
    """As what a signal asks the model."""
    quotas = '{"default": {"requests_per_s": 0.001, "burst_s": 1000}}'
    async with routed(node, above, quotas=quotas) as service:
        for _ in range(3):
            await collect(service, Request("hi", max_tokens=4, routing=LOCAL, counted=False))
        await collect(service, UPSTREAM)


async def test_a_policy_holds_for_what_is_sent_on(node: Node, above: ScriptedNode) -> None:
    async with routed(node, above) as service:
        service.set_policies({"p": ServingPolicy(statement=Statement(allowed_models=("other",)))})
        with pytest.raises(PermissionDenied):
            await collect(service, UPSTREAM)
    assert above.requests == []


def ending(num_prompt_tokens: int = 3, first_token_s: int = 0) -> pb.GenerateResponse:
    end = finished()
    end.finished.usage.num_prompt_tokens = num_prompt_tokens
    end.finished.timing.time_to_first_token.seconds = first_token_s
    return end


def queued(seconds: int) -> pb.GenerateResponse:
    begin = started()
    begin.started.queue_duration.seconds = seconds
    return begin


LIES: dict[str, tuple[Any, ...]] = {
    "unavailable": (unavailable(1.0),),
    "full": (full(),),
    "internal": (Fault(13, "broken"),),
    "no Started": (chunk("x"), finished()),
    "no event": (started(),),
    "too many tokens": (started(), chunk("a"), finished(num_tokens=9)),
    "silent": (started(), Hang()),
    "in a queue for ages": (queued(2**62), chunk("a"), finished()),
    "in a queue since later": (queued(-1), chunk("a"), finished()),
}


@pytest.mark.parametrize("name", sorted(LIES.keys() - {"too many tokens"}))
async def test_this_node_answers_what_did_not_begin(node: Node, above: ScriptedNode, name: str) -> None:
    above.script = [LIES[name]]
    async with routed(node, above, upstream_first_token_timeout_s=0.5) as service:
        events = await collect(service, UPSTREAM)
    assert text_of(events) not in ("", "Hello wörld")
    assert routed_of(events).reason is RoutingReason.UPSTREAM_FAILED


async def test_nobody_is_there(node: Node, above: ScriptedNode) -> None:
    async with routed(node, above, upstream_target="127.0.0.1:1") as service:
        assert routed_of(await collect(service, UPSTREAM)).reason is RoutingReason.UPSTREAM_FAILED
        assert routed_of(await collect(service, UPSTREAM)).reason is RoutingReason.LINK_DOWN


@pytest.mark.parametrize(
    "script",
    [
        (started(), chunk("a"), Fault(14, "gone")),
        (started(), chunk("a")),
        (started(), chunk("a"), finished(num_tokens=9)),
        (started(), chunk("a"), ending(num_prompt_tokens=-1)),
        (started(), chunk("a"), ending(num_prompt_tokens=2**31 - 1)),
        (started(), chunk("a"), ending(first_token_s=2**62)),
        (started(), chunk("a"), Hang()),
    ],
)
async def test_what_began_ends_with_a_status(node: Node, above: ScriptedNode, script: Any) -> None:
    above.script = [script]
    async with routed(node, above, upstream_idle_timeout_s=0.5) as service:
        with pytest.raises(Unavailable) as caught:
            await collect(service, UPSTREAM)
    assert caught.value.reason == "UPSTREAM_LOST"


async def test_the_format_is_checked_here(node: Node, above: ScriptedNode) -> None:
    """The node above says that its answer is complete, and it is none of the choices."""
    end = finished()
    end.finished.format_complete = True
    above.script = [(started(), chunk("Hello"), end)]
    asked = Request("hi", max_tokens=4, format=Choices(("yes", "no")), routing=UPSTREAM.routing)
    async with routed(node, above) as service:
        last = (await collect(service, asked))[-1]
    assert above.requests[0].format.choices.choices == ["yes", "no"]
    assert isinstance(last, Finished)
    assert last.format_complete is False


async def test_draining_waits_for_what_is_at_the_upstream(node: Node, above: ScriptedNode) -> None:
    above.script = [(started(), chunk("a"), Hang())]
    async with routed(node, above) as service:
        events = service.generate(UPSTREAM)
        await anext(events)
        draining = asyncio.create_task(service.drain(30))
        await asyncio.sleep(0)
        assert not draining.done()
        await events.aclose()
        assert await draining


async def test_it_shows_its_token_and_its_hop(node: Node, tmp_path: Path) -> None:
    seen: list[Any] = []

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> None:
            seen.append(dict(details.invocation_metadata))

    server = grpc.aio.server(handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    (tmp_path / "token").write_text("a-token\n")
    fields: dict[str, Any] = {
        "upstream_kind": "genai-xapp",
        "upstream_target": f"127.0.0.1:{port}",
        "upstream_plain_text": True,
    }
    async with routed(node, **fields, upstream_key_file=str(tmp_path / "token")) as service:
        assert routed_of(await collect(service, UPSTREAM)).reason is RoutingReason.UPSTREAM_FAILED
    await server.stop(None)
    assert seen[-1]["x-xapp-hops"] == "1"
    assert seen[-1]["authorization"] == "Bearer a-token"


async def test_a_classifier_of_another_model_stops_the_start(
    node: Node, above: ScriptedNode, tmp_path: Path
) -> None:
    path = tmp_path / "classifier.json"
    fields: dict[str, Any] = {"upstream_signal": "classifier", "upstream_classifier": str(path)}
    path.write_bytes(msgspec.json.encode(GOOD))
    with pytest.raises(ConfigError, match="XAPP_UPSTREAM_CLASSIFIER"):
        async with routed(node, above, **fields):
            pass
    path.write_bytes(msgspec.json.encode(GOOD | {"model_digest": DIGEST}))
    async with routed(node, above, **fields) as service:
        assert routed_of(await collect(service, AUTO)).difficulty is not None


async def test_a_probe_of_another_model_stops_the_start(
    node: Node, above: ScriptedNode, tmp_path: Path
) -> None:
    path = tmp_path / "probe.json"
    fields: dict[str, Any] = {"upstream_signal": "hidden_state", "upstream_probe": str(path)}
    path.write_bytes(msgspec.json.encode(PROBE))
    with pytest.raises(ConfigError, match="XAPP_UPSTREAM_PROBE"):
        async with routed(node, above, **fields):
            pass
    path.write_bytes(msgspec.json.encode(PROBE | {"model_digest": DIGEST}))
    async with routed(node, above, **fields):
        pass


@pytest.mark.parametrize(("bias", "reason"), [(9.0, RoutingReason.HARD), (-9.0, RoutingReason.EASY)])
async def test_a_probe_decides_by_the_state_of_the_request(
    above: ScriptedNode, tmp_path: Path, bias: float, reason: RoutingReason
) -> None:
    path = tmp_path / "probe.json"
    fake: dict[str, Any] = {"model": "fake", "backend": "fake", "slots": 2}
    async with RoutedService(flat_settings(**fake)) as service:
        await service.wait_ready()
        digest = service.get_model("").digest
    weights = [0.01] * HIDDEN_SIZE
    path.write_bytes(msgspec.json.encode(PROBE | {"model_digest": digest, "weights": weights, "bias": bias}))
    there = {"upstream_kind": "genai-xapp", "upstream_target": above.target, "upstream_plain_text": True}
    fake |= {**there, "upstream_signal": "hidden_state", "upstream_probe": str(path)}
    async with RoutedService(flat_settings(**fake)) as service:
        await service.wait_ready()
        found = routed_of(await collect(service, AUTO))
    assert found.reason is reason
    assert found.difficulty == pytest.approx(1 / (1 + math.exp(-bias - 0.01 * len("hi"))))
