"""Converts GenerateRequest and EstimateRequest."""

from time import monotonic

from xapp.domain.chat import with_tools
from xapp.domain.format_kinds import ToolCalls
from xapp.domain.grounding import Grounding
from xapp.domain.requests import Prompt, Request
from xapp.edge.request_limits import checked_stops
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS, Principal
from xapp.server.convert.decoding_strategy import to_strategy
from xapp.server.convert.output_format import to_format
from xapp.server.convert.priority import to_priority
from xapp.server.convert.prompt import to_prompt
from xapp.server.convert.request_limits import (
    to_deadline_policy,
    to_max_gap_s,
    to_max_tokens,
    to_seconds,
)
from xapp.server.convert.retrieval_requests import to_retrieval
from xapp.server.convert.sampling_params import to_sampling, to_seed
from xapp.server.convert.tool_calls import to_tool_calls, to_tools
from xapp.server.routing import to_routing
from xapp.server.tasks import to_call


def to_request(
    wire: pb.GenerateRequest,
    correlation_id: str,
    deadline: float | None,
    caller: Principal = ANONYMOUS,
    hops: int = 0,
) -> Request:
    """A GenerateRequest; `deadline` is on CLOCK_MONOTONIC, None where the caller set none.

    `hops` nodes sent it on.
    """
    sampling, priority = wire.sampling, to_priority(wire.priority)
    task = to_call(wire, priority)
    if task is not None and wire.HasField("format"):
        raise InvalidArgument("format", "cannot be set beside task, which has its own")
    calls = to_tool_calls(wire)
    return Request(
        prompt=_with_tools(wire, calls) if task is None else (),
        model=wire.model,
        sampling=to_sampling(sampling),
        seed=to_seed(sampling),
        max_tokens=to_max_tokens(wire),
        stop=checked_stops(wire.stop),
        ignore_eos=wire.ignore_eos,
        priority=priority,
        correlation_id=correlation_id,
        deadline=deadline,
        deadline_policy=to_deadline_policy(wire.deadline_policy),
        max_gap_s=to_max_gap_s(wire),
        deterministic=wire.deterministic,
        strategy=to_strategy(wire),
        client=caller.name,
        scope=caller.scope,
        format=to_format(wire.format) if wire.HasField("format") else calls,
        task=task,
        routing=to_routing(wire) if wire.HasField("routing") else None,
        hops=hops,
        retrieval=_retrieval(wire, caller),
    )


def _with_tools(wire: pb.GenerateRequest, calls: ToolCalls | None) -> Prompt:
    prompt = to_prompt(wire)
    if calls is None or isinstance(prompt, str):
        return prompt
    return with_tools(prompt, to_tools(wire.tools))


def to_estimated(
    wire: pb.EstimateRequest, deadline: float | None, caller: Principal, now: float | None = None
) -> Request:
    """The request in an EstimateRequest. `deadline` is the call's own, `now` is monotonic."""
    if wire.HasField("deadline"):
        deadline = (monotonic() if now is None else now) + to_seconds(wire.deadline, "deadline")
    priority = to_priority(wire.priority)
    task = to_call(wire, priority)
    prompt = to_prompt(wire) if task is None else ()
    if not isinstance(prompt, str):
        prompt = with_tools(prompt, to_tools(wire.tools))
    return Request(
        prompt=prompt,
        model=wire.model,
        max_tokens=to_max_tokens(wire),
        priority=priority,
        deadline=deadline,
        max_gap_s=to_max_gap_s(wire),
        deterministic=wire.deterministic,
        strategy=to_strategy(wire),
        client=caller.name,
        scope=caller.scope,
        task=task,
        retrieval=_retrieval(wire, caller),
    )


def _retrieval(wire: pb.GenerateRequest | pb.EstimateRequest, caller: Principal) -> Grounding | None:
    return to_retrieval(wire.retrieval, caller.scope) if wire.HasField("retrieval") else None
