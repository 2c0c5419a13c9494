"""Who is to answer, from the wire and to it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.server.fake_service import FINISHED
from xapp import hops
from xapp.domain.routing import Routed, Routing, RoutingMode, RoutingReason
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server import respond
from xapp.server.convert.requests import to_request
from xapp.server.routing import count_hops, to_routing


def asked(**routing: Any) -> pb.GenerateRequest:
    return pb.GenerateRequest(prompt="why?", routing=pb.Routing(**routing))


def test_a_request_that_says_nothing_leaves_the_choice_to_the_node() -> None:
    assert to_request(pb.GenerateRequest(prompt="why?"), "", None).routing is None
    assert to_routing(asked()) is None


def test_the_mode_and_the_threshold_are_read() -> None:
    found = to_routing(asked(mode=pb.ROUTING_MODE_AUTO, threshold=0.25))
    assert found == Routing(RoutingMode.AUTO, 0.25)
    assert to_routing(asked(mode=pb.ROUTING_MODE_LOCAL)) == Routing(RoutingMode.LOCAL)


@pytest.mark.parametrize(
    ("routing", "field"),
    [
        ({"mode": 9}, "routing.mode"),
        ({"threshold": 0.5}, "routing.threshold"),
        ({"mode": pb.ROUTING_MODE_UPSTREAM, "threshold": 0.5}, "routing.threshold"),
        ({"mode": pb.ROUTING_MODE_AUTO, "threshold": 1.5}, "routing.threshold"),
        ({"mode": pb.ROUTING_MODE_AUTO, "threshold": float("nan")}, "routing.threshold"),
    ],
)
def test_what_is_wrong_is_named(routing: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        to_routing(asked(**routing))
    assert caught.value.field == field


@pytest.mark.parametrize("reason", RoutingReason)
def test_every_reason_is_told(reason: RoutingReason) -> None:
    routed = Routed(by_upstream=True, reason=reason, difficulty=0.0, decision_s=0.25)
    wire = respond.event(replace(FINISHED, routed=routed)).finished.routed
    assert wire.answered_by == pb.ANSWERER_UPSTREAM
    assert pb.RoutingReason.Name(wire.reason) == f"ROUTING_REASON_{reason.name}"
    assert wire.HasField("difficulty")
    assert not wire.HasField("threshold")
    assert wire.decision_duration.nanos == 250_000_000


def test_without_routing_nothing_is_told() -> None:
    assert not respond.event(FINISHED).finished.HasField("routed")


class Context:
    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> Any:
        return self._metadata


class Call:
    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        self.context = Context(*metadata)


async def test_hops_are_counted() -> None:
    call: Any = Call(("other", "9"), (hops.KEY, "2"))
    await count_hops(call)
    assert hops.current.get() == 2


@pytest.mark.parametrize("value", ["", "-1", "x", "256", "1e3", "00001", "²", b"\xff"])
async def test_a_count_that_cannot_be_read_is_refused(value: str | bytes) -> None:
    call: Any = Call((hops.KEY, value))
    with pytest.raises(InvalidArgument, match=hops.KEY):
        await count_hops(call)
