"""How hard a request is for this node's model: 0 for a request that it answers well, 1 for a hopeless one.

Each signal asks the model itself, but for the classifier. A signal is an object with `difficulty`.
"""

import math
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from xapp.admission.prompt_features import text_of
from xapp.domain.answers import Chunk, ScoreResult
from xapp.domain.messages import SamplingParams
from xapp.domain.requests import ChatMessage, DeadlinePolicy, Request, ScoreRequest
from xapp.domain.service import Generation, Introspection, Scoring
from xapp.routing.classifier import Classifier
from xapp.routing.linear_probe import LinearProbe
from xapp.routing.probe_texts import DIFFICULTY, SELF_RATING, WHO_ANSWERS

NUM_FIRST_TOKENS = 8


class Signal(Protocol):
    """Finds out the difficulty of requests."""

    async def difficulty(self, request: Request) -> float | None:
        """0 to 1; None where it cannot be found out. Raises XappError as the node's own calls do."""
        ...


class FirstTokens:
    """Generates the first tokens of the answer, and asks how likely they were.

    The difficulty is 1 less the geometric mean of their probabilities.
    """

    def __init__(self, generation: Generation, scoring: Scoring, num_tokens: int = NUM_FIRST_TOKENS) -> None:
        self._generation = generation
        self._scoring = scoring
        self._num_tokens = num_tokens

    async def difficulty(self, request: Request) -> float | None:
        """None where the answer begins with its end."""
        text = await self._draft(request)
        if not text:
            return None
        asked = ScoreRequest(_plain(request), (text,), include_tokens=True)
        return _surprise((await self._scoring.score(asked)).choices[0].tokens)

    async def _draft(self, request: Request) -> str:
        most = min(self._num_tokens, request.max_tokens or self._num_tokens)
        # Greedy, so that the signal of a request is the same each time.
        short = replace(
            request, max_tokens=most, sampling=SamplingParams(), stop=(), seed=None, counted=False
        )
        async with aclosing(self._generation.generate(short)) as events:
            return "".join([event.text async for event in events if isinstance(event, Chunk)])


def _surprise(tokens: Sequence[object]) -> float | None:
    values: list[float] = [token.log_probability for token in tokens]  # type: ignore[attr-defined]
    return 1 - math.exp(math.fsum(values) / len(values)) if values else None


class Probe:
    """Asks which of two texts follows a prompt: (easy, hard), or (this model, a more powerful model)."""

    def __init__(self, scoring: Scoring, texts: tuple[str, str], *, asks_who: bool) -> None:
        self._scoring = scoring
        self._texts = texts
        self._asks_who = asks_who

    async def difficulty(self, request: Request) -> float | None:
        """The probability of the second text."""
        asked = _plain(request)
        if self._asks_who:
            asked = replace(asked, prompt=rating_prompt(text_of(request.prompt)))
        return _second(await self._scoring.score(ScoreRequest(asked, self._texts)))


def rating_prompt(question: str) -> tuple[ChatMessage, ...]:
    """The self-rating of the reference, with the question behind it."""
    return (ChatMessage("user", f"{SELF_RATING}\n\nQuestion: {question}\n\nWho should answer?"),)


def _second(result: ScoreResult) -> float:
    return result.choices[1].probability


def _plain(request: Request) -> Request:
    """The request as Score takes it."""
    return replace(
        request,
        format=None,
        stop=(),
        max_gap_s=None,
        strategy=None,
        deadline_policy=DeadlinePolicy.REJECT,
        # As Score takes it: one token, and no length to learn from.
        max_tokens=1,
        ignore_eos=True,
        counted=False,
    )


class Trained:
    """The classifier of the default model."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    async def difficulty(self, request: Request) -> float | None:
        """None for another model than the default."""
        return None if request.model else self._classifier.difficulty(request.prompt)


class Stated:
    """A linear probe on what the model makes of the request's last token."""

    def __init__(self, model: Introspection, probe: LinearProbe) -> None:
        self._model = model
        self._probe = probe

    async def difficulty(self, request: Request) -> float | None:
        """None for another model than the probe's."""
        found = await self._model.hidden_state(_plain(request))
        if found.model_digest != self._probe.model_digest:
            return None
        return self._probe.difficulty(found.values)


def make_signal(name: str, service: "Asked", trained: Classifier | LinearProbe | None) -> Signal:
    """The signal of the setting `[upstream] signal`."""
    match name, trained:
        case "first_tokens", _:
            return FirstTokens(service, service)
        case "difficulty", _:
            return Probe(service, DIFFICULTY, asks_who=False)
        case "who_answers", _:
            return Probe(service, WHO_ANSWERS, asks_who=True)
        case _, LinearProbe():
            return Stated(service, trained)
        case _:
            assert isinstance(trained, Classifier), "the settings are checked at the start"
            return Trained(trained)


class Asked(Generation, Scoring, Introspection, Protocol):
    """The node's own model."""
