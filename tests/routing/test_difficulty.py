"""What each signal asks the model, and what it makes of the answer."""

import math
from dataclasses import dataclass, field, replace

import pytest

from tests.routing.fakes import FakeNode
from tests.server.fake_service import FINISHED, started
from xapp.domain.answers import ChoiceScore, ScoreResult, TokenScore
from xapp.domain.format_kinds import Choices
from xapp.domain.requests import ChatMessage, Request, ScoreRequest
from xapp.routing.difficulty import FirstTokens, Probe
from xapp.routing.probe_texts import DIFFICULTY, SELF_RATING, WHO_ANSWERS

ASKED = Request((ChatMessage("user", "why?"),), client="planner", scope="p", max_tokens=100, stop=("e",))


@dataclass
class Scored(FakeNode):
    """Its tokens have these probabilities; the second choice has `second`."""

    probabilities: tuple[float, ...] = (0.5, 0.125)
    second: float = 0.7
    scored: list[ScoreRequest] = field(default_factory=list)

    def __init__(self) -> None:
        super().__init__()
        self.probabilities, self.second, self.scored = (0.5, 0.125), 0.7, []

    async def score(self, request: ScoreRequest) -> ScoreResult:
        self.scored.append(request)
        tokens = tuple(TokenScore(0, b"", math.log(value)) for value in self.probabilities)
        choices = tuple(ChoiceScore(each, -1.0, 1, -1.0, self.second, tokens) for each in request.choices)
        return ScoreResult(started(request.request), FINISHED, choices, 0, 0.0)


async def test_first_tokens_are_as_hard_as_they_are_unlikely() -> None:
    node = Scored()
    assert await FirstTokens(node, node).difficulty(ASKED) == pytest.approx(1 - 0.25)
    drafted, scored = node.requests[0], node.scored[0]
    assert (drafted.max_tokens, drafted.stop, drafted.prompt) == (8, (), ASKED.prompt)
    assert scored.choices == ("Hello",)
    assert scored.include_tokens
    assert (scored.request.prompt, scored.request.scope) == (ASKED.prompt, "p")


async def test_a_signal_pays_no_quota_of_its_own() -> None:
    node = Scored()
    await FirstTokens(node, node).difficulty(ASKED)
    await Probe(node, DIFFICULTY, asks_who=False).difficulty(ASKED)
    parts = [*node.requests, *(each.request for each in node.scored)]
    assert len(parts) == 3
    assert not any(each.counted for each in parts)
    assert all(each.client == "planner" for each in parts)


async def test_the_draft_keeps_to_the_format() -> None:
    node = Scored()
    asked = replace(ASKED, format=Choices(("yes", "no")))
    await FirstTokens(node, node).difficulty(asked)
    assert node.requests[0].format == asked.format


async def test_the_probe_stands_behind_the_own_prompt() -> None:
    node = Scored()
    assert await Probe(node, DIFFICULTY, asks_who=False).difficulty(ASKED) == 0.7
    assert node.scored[0].choices == DIFFICULTY
    assert node.scored[0].request.prompt == ASKED.prompt


async def test_the_self_rating_asks_the_question_of_the_reference() -> None:
    node = Scored()
    assert await Probe(node, WHO_ANSWERS, asks_who=True).difficulty(ASKED) == 0.7
    prompt = node.scored[0].request.prompt
    assert isinstance(prompt, tuple)
    assert SELF_RATING in prompt[0].content
    assert "why?" in prompt[0].content
