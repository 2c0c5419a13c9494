"""Two real nodes with the default model, each the upstream of the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.caller import ENDLESS_FAKE, calling, endless
from tests.e2e.relay import Relay, relaying
from tests.live import LiveServer, serving
from tests.workers.workers import until
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

CHAT = pb.Chat(messages=[pb.Message(role="user", content="Name one colour.")])


def asked(mode: "pb.RoutingMode.ValueType", **more: Any) -> pb.GenerateRequest:
    return pb.GenerateRequest(chat=CHAT, max_tokens=6, routing=pb.Routing(mode=mode), **more)


@asynccontextmanager
async def two_nodes(settings: dict[str, str]) -> AsyncIterator[tuple[LiveServer, LiveServer, Relay]]:
    """The edge, the node above it, and the line from the edge to that node."""
    async with relaying(0) as (relay, address):
        with (
            serving(settings | _upstream(address)) as edge,
            serving(settings | _upstream(edge.target)) as above,
        ):
            relay.port = int(above.target.rpartition(":")[2])
            yield edge, above, relay


def _upstream(target: str) -> dict[str, str]:
    return {
        "XAPP_UPSTREAM_KIND": "genai-xapp",
        "XAPP_UPSTREAM_TARGET": target,
        "XAPP_UPSTREAM_PLAIN_TEXT": "true",
        "XAPP_UPSTREAM_FIRST_TOKEN_TIMEOUT_S": "60",
        "XAPP_UPSTREAM_IDLE_TIMEOUT_S": "60",
    }


def routed_of(events: list[pb.GenerateResponse]) -> pb.Routed:
    assert events[0].started.routed == events[-1].finished.routed
    return events[-1].finished.routed


def text_of(events: list[pb.GenerateResponse]) -> str:
    return "".join(event.chunk.text for event in events)


async def test_a_request_is_answered_where_it_should_be(default_model_path: Path) -> None:
    settings = {"XAPP_MODEL": str(default_model_path)}
    async with two_nodes(settings) as (edge, above, _), calling(edge) as caller:
        here = await caller.generate(asked(pb.ROUTING_MODE_LOCAL))
        there = await caller.generate(asked(pb.ROUTING_MODE_UPSTREAM))
        assert text_of(here)
        assert text_of(there)
        assert routed_of(here).answered_by == pb.ANSWERER_LOCAL
        assert routed_of(there).answered_by == pb.ANSWERER_UPSTREAM
        # Its own upstream is the edge: without the count of hops the request would go in circles.
        await until(lambda: _num_requests(above) >= 1 and _num_requests(edge) >= 2)
        assert (_num_requests(above), _num_requests(edge)) == (1, 2)
        auto = routed_of(await caller.generate(asked(pb.ROUTING_MODE_AUTO)))
        assert auto.reason in (pb.ROUTING_REASON_EASY, pb.ROUTING_REASON_HARD)
        assert 0 <= auto.difficulty <= 1
        never = pb.Routing(mode=pb.ROUTING_MODE_AUTO, threshold=1)
        easy = await caller.generate(pb.GenerateRequest(chat=CHAT, max_tokens=6, routing=never))
        assert routed_of(easy).reason == pb.ROUTING_REASON_EASY
        above.close()
        failed = await caller.generate(asked(pb.ROUTING_MODE_UPSTREAM))
        assert text_of(failed)
        assert routed_of(failed).reason == pb.ROUTING_REASON_UPSTREAM_FAILED
        down = routed_of(await caller.generate(asked(pb.ROUTING_MODE_UPSTREAM)))
        assert down.reason == pb.ROUTING_REASON_LINK_DOWN


async def test_the_deadline_holds_when_the_line_is_cut_in_an_answer() -> None:
    async with two_nodes(ENDLESS_FAKE) as (edge, _, relay), calling(edge) as caller:
        request = endless()
        request.routing.mode = pb.ROUTING_MODE_UPSTREAM
        call = caller.inference.Generate(request, timeout=5)
        events = [await call.read(), await call.read()]
        assert events[1].HasField("chunk")
        relay.go_dead()
        while (event := await call.read()) is not grpc.aio.EOF:
            events.append(event)
        assert routed_of(events).answered_by == pb.ANSWERER_UPSTREAM
        assert events[-1].finished.finish_reason == pb.FINISH_REASON_DEADLINE


def _num_requests(server: LiveServer) -> int:
    return sum(record["msg"] == "request" for record in server.records())
