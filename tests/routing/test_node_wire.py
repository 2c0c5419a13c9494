"""A request that is sent on is the same request where it arrives."""

from dataclasses import replace
from typing import Any

import pytest

from xapp.domain.answers import Chunk, Finished, Started
from xapp.domain.decoding import Auto, Decoding, Drafted, Ngram, Plain
from xapp.domain.finish_reason import FinishReason
from xapp.domain.format_kinds import Choices, Format, Grammar, JsonSchema
from xapp.domain.messages import Priority, SamplingParams
from xapp.domain.requests import ChatMessage, DeadlinePolicy, Request
from xapp.domain.routing import Routing, RoutingMode
from xapp.inference.v1 import inference_pb2 as pb
from xapp.routing.destination import UpstreamError
from xapp.routing.node_wire import to_event, to_wire
from xapp.server import respond
from xapp.server.convert.requests import to_request

SAMPLING = SamplingParams(temperature=0.5, top_k=40, top_p=0.75, min_p=0.125, repeat_penalty=1.5)
FULL = Request(
    prompt=(ChatMessage("system", "be brief"), ChatMessage("user", "why?")),
    model="big",
    sampling=SAMPLING,
    seed=7,
    max_tokens=12,
    stop=("\n", "END"),
    priority=Priority.CRITICAL,
    correlation_id="name",
    deadline_policy=DeadlinePolicy.BEST_EFFORT,
    max_gap_s=0.25,
    strategy=Ngram(4),
    format=JsonSchema('{"type": "object"}'),
)
ONWARD: dict[str, Any] = {"routing": Routing(RoutingMode.LOCAL), "hops": 1}
"""Where it arrives it is answered."""


def arrived(request: Request) -> Request:
    return to_request(to_wire(request, "big"), request.correlation_id, request.deadline, hops=1)


@pytest.mark.parametrize("format", [JsonSchema("{}"), Grammar("root ::= x"), Choices(("yes", "no")), None])
def test_every_field_arrives(format: Format | None) -> None:  # noqa: A002
    asked = replace(FULL, format=format)
    assert arrived(asked) == replace(asked, **ONWARD)


@pytest.mark.parametrize("strategy", [Ngram(4), Plain(), Auto(), None])
def test_a_strategy_arrives(strategy: Decoding | None) -> None:
    assert arrived(replace(FULL, strategy=strategy)).strategy == strategy


def test_a_draft_model_is_the_other_nodes_own_affair() -> None:
    assert arrived(replace(FULL, strategy=Drafted())).strategy is None


def test_a_plain_request_arrives_with_its_defaults() -> None:
    asked = Request("why?", model="big", max_tokens=5, ignore_eos=True)
    assert arrived(asked) == replace(asked, **ONWARD)


def test_events_come_back_as_they_were() -> None:
    begun = Started("big", "sha256:bb", 5, 2, 0.25, 7, "name", joined=True)
    end = Finished(FinishReason.LENGTH, 5, 2, 3, 0.25, 0.5, 1.5, 0.75, num_drafted=4, num_accepted=2)
    asked = Request("why?", correlation_id="name")
    for event in (begun, Chunk("ö", 1), end):
        back: Any = to_event(respond.event(event), asked)
        assert replace(back, **({} if isinstance(back, Chunk) else {"provenance": None})) == event


def test_the_task_is_that_of_this_node() -> None:
    wire = pb.GenerateResponse(started=pb.Started(provenance=pb.Provenance(task="other@1")))
    found = to_event(wire, Request("", task_label="explain@2"))
    assert isinstance(found, Started)
    assert found.provenance is not None
    assert found.provenance.task == "explain@2"


@pytest.mark.parametrize(
    "wire",
    [
        pb.GenerateResponse(),
        pb.GenerateResponse(finished=pb.Finished()),
        pb.GenerateResponse(finished=pb.Finished(finish_reason=pb.FINISH_REASON_CANCELLED)),
    ],
)
def test_an_event_that_says_nothing_is_an_error(wire: pb.GenerateResponse) -> None:
    with pytest.raises(UpstreamError):
        to_event(wire, Request("why?"))


def test_a_format_that_nobody_kept_is_an_error() -> None:
    wire = pb.GenerateResponse(finished=pb.Finished(finish_reason=pb.FINISH_REASON_STOP))
    with pytest.raises(UpstreamError, match="format"):
        to_event(wire, FULL)
