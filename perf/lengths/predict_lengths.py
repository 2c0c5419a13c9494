"""Predictions of the lengths of answers, each learned on half of the items and judged on the other half."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from perf.lengths.ask_lengths import UNPARSED, state_of
from xapp.admission.lengths import AnswerLengths
from xapp.admission.open_request import AdmissionRequest
from xapp.admission.prompt_features import features, text_of
from xapp.admission.prompt_lengths import PromptLengths

MEDIAN = 0.5
_RIDGE = 1.0
"""Standardised features are few beside the items: a little of the pull to the mean is enough."""

_RIDGES = tuple(10.0**power for power in range(1, 7))
"""For values that are more than the items."""

Matrix = npt.NDArray[np.float64]
Predicted = dict[int, int]
"""Tokens by the place of the item. What an item was not asked for is missing."""


@dataclass(slots=True)
class Item:
    """One question, and what the model said. `tokens`: of its answer, at most the limit of the run."""

    place: int
    category: str
    text: str
    tokens: int
    said: dict[str, float] = field(default_factory=dict)

    @property
    def is_training(self) -> bool:
        """Every other item teaches."""
        return self.place % 2 == 0


def predictions(items: Sequence[Item], most: int) -> dict[str, Predicted]:
    """By the name of the predictor; tokens of the items that nothing was learned from."""
    found = {
        "history": _history(items, most, lambda _: ""),
        "history of the task": _history(items, most, lambda item: item.category),
        "history and prompt": _as_the_node(items, most),
        "prompt": _fitted(items, most, lambda item: features(item.text)),
        "perception": _fitted(items, most, _perceived),
        "probe": _fitted(items, most, lambda item: _said(item, "probe")),
        "hidden state": _fitted(items, most, lambda item: state_of(item.said) or None, best_ridge),
    }
    return {name: predicted for name, predicted in found.items() if predicted}


def _history(items: Sequence[Item], most: int, kind: Callable[[Item], str]) -> Predicted:
    """What the node learns by itself: the median of earlier answers of the kind."""
    lengths, found = AnswerLengths(lambda: 0.0), {}
    for item in items:
        if not item.is_training:
            found[item.place] = lengths.quantile(kind(item), MEDIAN, most)
        lengths.record(kind(item), item.tokens, cut=item.tokens >= most)
    return found


def _as_the_node(items: Sequence[Item], most: int) -> Predicted:
    """What admission predicts for one client: the history, and prompts where that pays."""
    lengths, found = PromptLengths(AnswerLengths(lambda: 0.0), lambda: 0.0), {}
    for item in items:
        request = AdmissionRequest(0.0, 0.0, most, num_bytes=len(item.text), text=text_of(item.text))
        hint = lengths.hint(request)
        if not item.is_training:
            found[item.place] = lengths.quantile(request, hint, MEDIAN, most)
        lengths.record(request, hint, item.tokens, cut=item.tokens >= most)
    return found


def _said(item: Item, name: str) -> list[float] | None:
    return [item.said[name]] if name in item.said else None


def _perceived(item: Item) -> list[float] | None:
    """An estimate without a number is a value of its own: whether there is one, and the number."""
    if (value := item.said.get("perception")) is None:
        return None
    return [0.0, 1.0] if value == UNPARSED else [value, 0.0]


def _fitted(
    items: Sequence[Item],
    most: int,
    values: Callable[[Item], list[float] | None],
    ridge: Callable[[Matrix, Matrix], float] = lambda _seen, _wanted: _RIDGE,
) -> Predicted:
    """A linear model of the logarithm of the length. `ridge`: the pull to the mean, by the training items."""
    known = [(item, found) for item in items if (found := values(item)) is not None]
    training = [(item, found) for item, found in known if item.is_training]
    if not training:
        return {}
    raw = np.array([found for _, found in training])
    mean, scale = raw.mean(0), raw.std(0) + 1e-9
    wanted = np.log([max(1, item.tokens) for item, _ in training])
    seen, middle = (raw - mean) / scale, float(wanted.mean())
    pull = ridge(seen, wanted - middle) * np.eye(seen.shape[1])
    weights = np.linalg.solve(seen.T @ seen + pull, seen.T @ (wanted - middle))
    return {
        item.place: _tokens(middle + float(((np.array(found) - mean) / scale) @ weights), most)
        for item, found in known
        if not item.is_training
    }


def _tokens(logarithm: float, most: int) -> int:
    return max(1, min(most, round(math.exp(min(logarithm, math.log(most))))))


def error_factor(predicted: Mapping[int, int], items: Mapping[int, Item]) -> float:
    """The median factor by which a prediction is off, up or down; 1 is right."""
    ratios = [abs(math.log(tokens / max(1, items[place].tokens))) for place, tokens in predicted.items()]
    return math.exp(float(np.median(ratios)))


def best_ridge(seen: Matrix, wanted: Matrix) -> float:
    """The pull of _RIDGES that predicts each item best from the other items."""
    alike = seen @ seen.T

    def error(ridge: float) -> float:
        fit = alike @ np.linalg.inv(alike + ridge * np.eye(len(alike)))
        left_out = (wanted - fit @ wanted) / (1 - np.diag(fit))
        return float(np.mean(left_out**2))

    return min(_RIDGES, key=error)
