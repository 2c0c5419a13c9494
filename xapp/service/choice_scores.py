"""Score: tokenizes choices, and computes the most likely choice from log-probabilities.

A choice is tokenized together with the prompt, as the model would read both. The common beginning, at most
the prompt, is computed once. A token that spans the end of the prompt belongs to the choice.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xapp.domain.answers import ChoiceScore, Finished, ScoreResult, Started, TokenScore
from xapp.domain.prefix import common_prefix
from xapp.domain.requests import ScoreRequest
from xapp.errors import InvalidArgument

MAX_CHOICE_TOKENS = 65_536
"""Limit of the tokens of all choices of a request."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`shared` begins every text. Each of `choices` is the rest of a text. None of them is empty."""

    shared: list[int]
    choices: list[list[int]]

    @property
    def to_compute(self) -> list[int]:
        """The tokens to compute when nothing is cached."""
        return [*self.shared, *(token for tokens in self.choices for token in tokens[:-1])]

    @property
    def longest(self) -> int:
        """Tokens of the longest choice."""
        return max(map(len, self.choices))


def cut(prompt: list[int], wholes: Sequence[list[int]], limit: int) -> Cut:
    """`wholes` has prompt and choice for each choice.

    `limit`: tokens of the context. Raises InvalidArgument.
    """
    length = min(common_prefix(prompt, whole) for whole in wholes)
    if length == 0:
        raise InvalidArgument("prompt", "its first token reaches into a choice: begin with some more text")
    choices = [whole[length:] for whole in wholes]
    for index, choice in enumerate(choices):
        if not choice:
            raise InvalidArgument(f"choices[{index}]", "adds no token to the prompt")
        if length + len(choice) > limit:
            text = f"and the prompt have {length + len(choice)} tokens, the context has {limit}"
            raise InvalidArgument(f"choices[{index}]", text)
    if (total := sum(map(len, choices))) > MAX_CHOICE_TOKENS:
        raise InvalidArgument("choices", f"have {total} tokens, at most {MAX_CHOICE_TOKENS} are allowed")
    return Cut(prompt[:length], choices)


def outcome(
    request: ScoreRequest, choices: tuple[ChoiceScore, ...], started: Started, finished: Finished
) -> ScoreResult:
    """The result, with the winner if there is one."""
    probabilities = [choice.probability for choice in choices]
    lead = margin(probabilities)
    winner = probabilities.index(max(probabilities)) if lead >= (request.min_margin or 0.0) else None
    return ScoreResult(started, finished, choices, winner, lead)


def score_choices(
    request: ScoreRequest,
    tokens: Sequence[list[int]],
    log_probabilities: Sequence[list[float]],
    piece: Callable[[int], bytes],
) -> tuple[ChoiceScore, ...]:
    """The score of each choice, from its `tokens` and `log_probabilities`. `piece` gives a token's bytes."""
    sums = [math.fsum(values) for values in log_probabilities]
    if request.normalize_by_length:
        scores = [total / len(each) for total, each in zip(sums, tokens, strict=True)]
    else:
        scores = sums
    probabilities = softmax(scores)
    return tuple(
        ChoiceScore(
            choice=choice,
            log_probability=sums[index],
            num_tokens=len(tokens[index]),
            score=scores[index],
            probability=probabilities[index],
            tokens=_token_scores(tokens[index], log_probabilities[index], piece)
            if request.include_tokens
            else (),
        )
        for index, choice in enumerate(request.choices)
    )


def _token_scores(
    tokens: list[int], values: list[float], piece: Callable[[int], bytes]
) -> tuple[TokenScore, ...]:
    return tuple(TokenScore(token, piece(token), value) for token, value in zip(tokens, values, strict=True))


def softmax(scores: Sequence[float]) -> list[float]:
    """Probabilities; stable for scores of any size."""
    highest = max(scores)
    weights = [math.exp(score - highest) for score in scores]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def margin(probabilities: Sequence[float]) -> float:
    """The lead of the most likely choice; 1 with one choice."""
    first, *others = sorted(probabilities, reverse=True)
    return first - others[0] if others else 1.0
