from typing import Any, cast

import pytest

from perf.accuracy import scorer
from perf.accuracy.scorer import GrpcScorer, Scored, Token
from perf.targets.target import TargetError
from xapp.client import ClientError
from xapp.inference.v1 import inference_pb2 as pb

ANSWER = pb.ScoreResponse(
    model="m",
    choices=[
        pb.ChoiceScore(
            choice=" yes",
            log_probability=-1.5,
            tokens=[pb.TokenLogProbability(token=7, text=b" yes", log_probability=-1.5)],
        )
    ],
    usage=pb.Usage(num_prompt_tokens=4),
)


class Node:
    """A client whose calls fail as told, then answer."""

    target = "node:1"

    def __init__(self, *errors: ClientError) -> None:
        self.asked: list[dict[str, Any]] = []
        self._errors = list(errors)

    async def score(self, prompt: str, choices: list[str], **options: Any) -> pb.ScoreResponse:
        self.asked.append({"prompt": prompt, "choices": choices, **options})
        if self._errors:
            raise self._errors.pop(0)
        return ANSWER


def scorer_of(node: Node) -> GrpcScorer:
    return GrpcScorer(cast(Any, node), model="m", deadline_s=5.0)


async def test_tokens_are_asked_for_and_come_back_as_bytes() -> None:
    node = Node()
    scores = await scorer_of(node).score("Is it?", [" yes"])
    assert scores.num_prompt_tokens == 4
    assert scores.texts == (Scored(" yes", -1.5, (Token(b" yes", -1.5),)),)
    assert node.asked == [
        {"prompt": "Is it?", "choices": [" yes"], "model": "m", "include_tokens": True, "deadline_s": 5.0}
    ]


async def test_a_full_node_is_asked_again() -> None:
    node = Node(*[ClientError("RESOURCE_EXHAUSTED", "full", retry_after_s=0.0)] * 3)
    await scorer_of(node).score("Is it?", [" yes"])
    assert len(node.asked) == 4


async def test_a_node_that_stays_full_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "MAX_REFUSALS", 2)
    node = Node(*[ClientError("RESOURCE_EXHAUSTED", "full", retry_after_s=0.0)] * 3)
    with pytest.raises(TargetError, match="node:1 refused 2 times"):
        await scorer_of(node).score("Is it?", [" yes"])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("INVALID_ARGUMENT", "invalid"),
        ("UNIMPLEMENTED", "protocol"),
        ("NOT_FOUND", "missing_model"),
        ("UNAVAILABLE", "lost"),
        ("DEADLINE_EXCEEDED", "lost"),
    ],
)
async def test_a_status_says_what_became_of_the_target(status: str, code: str) -> None:
    with pytest.raises(TargetError, match="node:1") as caught:
        await scorer_of(Node(ClientError(status, "no"))).score("Is it?", [" yes"])
    assert caught.value.code == code
