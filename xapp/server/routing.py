"""Converts what a request says of who answers it."""

import math

from xapp import hops
from xapp.domain.routing import Routing, RoutingMode
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.call import Call

_MODES = {
    pb.ROUTING_MODE_LOCAL: RoutingMode.LOCAL,
    pb.ROUTING_MODE_UPSTREAM: RoutingMode.UPSTREAM,
    pb.ROUTING_MODE_AUTO: RoutingMode.AUTO,
}


def to_routing(wire: pb.GenerateRequest) -> Routing | None:
    """Who is to answer; None for the node's own choice. Raises InvalidArgument with the field."""
    asked = wire.routing
    if asked.mode == pb.ROUTING_MODE_UNSPECIFIED:
        if asked.HasField("threshold"):
            raise InvalidArgument("routing.threshold", "needs mode AUTO")
        return None
    if (mode := _MODES.get(asked.mode)) is None:
        raise InvalidArgument("routing.mode", f"{asked.mode} is no routing mode")
    return Routing(mode, _threshold(asked, mode))


def _threshold(asked: pb.Routing, mode: RoutingMode) -> float | None:
    if not asked.HasField("threshold"):
        return None
    if mode is not RoutingMode.AUTO:
        raise InvalidArgument("routing.threshold", "needs mode AUTO")
    if not math.isfinite(asked.threshold) or not 0 <= asked.threshold <= 1:
        raise InvalidArgument("routing.threshold", f"{asked.threshold:g} is out of range: it must be 0 to 1")
    return asked.threshold


async def count_hops(call: Call) -> None:
    """A guard: reads how many nodes have sent the request on. Raises InvalidArgument."""
    for key, value in call.context.invocation_metadata() or ():
        if key == hops.KEY:
            hops.current.set(hops.parse(value))
