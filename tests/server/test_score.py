"""Score on the wire: every check that needs no model, and the answer's shape."""

import json
import logging

import grpc
import pytest

from tests.server.conftest import Node
from tests.server.fake_service import FINISHED, started
from tests.server.rich import details_of
from xapp.domain.answers import ChoiceScore, ScoreResult, TokenScore
from xapp.domain.messages import Priority
from xapp.domain.requests import Request
from xapp.errors import Exhausted, InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.logs import JsonFormatter
from xapp.security.principal import Principal
from xapp.server.score import MAX_CHOICES, response, to_score

ASK = pb.ScoreRequest(prompt="hi", choices=["a", "b"])


def changed(**fields: object) -> pb.ScoreRequest:
    request = pb.ScoreRequest()
    request.CopyFrom(ASK)
    request.MergeFrom(pb.ScoreRequest(**fields))  # type: ignore[arg-type]
    return request


def test_everything_asked_arrives() -> None:
    wire = changed(
        model="m",
        normalize_by_length=True,
        min_margin=0.25,
        include_tokens=True,
        priority=pb.PRIORITY_CRITICAL,
    )
    asked = to_score(wire, "id", 7.0, Principal("me"))
    assert asked.request == Request(
        "hi", "m", priority=Priority.CRITICAL, correlation_id="id", deadline=7.0, client="me"
    )
    assert asked.choices == ("a", "b")
    assert (asked.normalize_by_length, asked.min_margin, asked.include_tokens) == (True, 0.25, True)
    assert not to_score(ASK, "", None).min_margin


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ScoreRequest(choices=["a"]), "input"),
        (pb.ScoreRequest(prompt="", choices=["a"]), "prompt"),
        (pb.ScoreRequest(prompt="hi"), "choices"),
        (pb.ScoreRequest(prompt="hi", choices=list(map(str, range(MAX_CHOICES + 1)))), "choices"),
        (changed(choices=[""]), "choices[2]"),
        (changed(choices=["c", "b"]), "choices[3]"),
        (changed(min_margin=1.5), "min_margin"),
        (changed(min_margin=-0.1), "min_margin"),
        (changed(min_margin=float("nan")), "min_margin"),
        (changed(priority=77), "priority"),
    ],
)
def test_what_is_wrong_is_named(request_: pb.ScoreRequest, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        to_score(request_, "", None)
    assert caught.value.field == field


def test_256_choices_are_taken() -> None:
    wire = pb.ScoreRequest(prompt="hi", choices=list(map(str, range(MAX_CHOICES))))
    assert len(to_score(wire, "", None).choices) == MAX_CHOICES


CHOICES = (
    ChoiceScore("a", -1.5, 2, -0.75, 0.75, (TokenScore(7, b"\xc3", -1.0), TokenScore(8, b"\xa9", -0.5))),
    ChoiceScore("b", -3.0, 1, -3.0, 0.25),
)


def test_the_answer() -> None:
    wire = response(ScoreResult(started(Request("hi")), FINISHED, CHOICES, 0, 0.5))
    assert wire.model == "tiny"
    assert [choice.choice for choice in wire.choices] == ["a", "b"]
    first = wire.choices[0]
    assert (first.log_probability, first.num_tokens, first.score, first.probability) == (-1.5, 2, -0.75, 0.75)
    assert [token.text for token in first.tokens] == [b"\xc3", b"\xa9"]
    assert wire.HasField("winner")
    assert (wire.winner, wire.abstained, wire.margin) == (0, False, 0.5)
    assert (wire.usage.num_prompt_tokens, wire.usage.num_cached_tokens) == (3, 1)
    assert wire.usage.num_completion_tokens == 2
    assert wire.timing.prefill.ToMilliseconds() == 500
    assert not wire.timing.HasField("decode")


def test_who_abstains_names_no_winner() -> None:
    wire = response(ScoreResult(started(Request("hi")), FINISHED, CHOICES, None, 0.5))
    assert wire.abstained
    assert not wire.HasField("winner")


async def test_it_is_served_counted_and_logged(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="xapp.request"):
        answer = await node.inference.Score(ASK)
    assert [choice.choice for choice in answer.choices] == ["a", "b"]
    count = node.metrics.registry.get_sample_value(
        "ricxapp_genai_requests_total", {"model": "tiny", "code": "OK"}
    )
    assert count == 1
    line = json.loads(JsonFormatter().format(caplog.records[-1]))
    assert line["num_prompt_tokens"] == 3


async def test_errors_keep_their_details(node: Node) -> None:
    node.service.error = Exhausted("full", retry_after_s=2.0)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await node.inference.Score(ASK)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await node.inference.Score(changed(choices=["a"]))
    details = details_of(caught.value)
    assert details.bad_request is not None
    assert details.bad_request.field_violations[0].field == "choices[2]"
