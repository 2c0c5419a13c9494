"""What a trained signal says of the questions that train it: each is left out of its own training.

Otherwise a signal of many numbers looks perfect there, and misleads the choice of a signal and a threshold.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

FOLDS = 5
_T = TypeVar("_T")
Predict = Callable[[_T], float | None]


def out_of_fold(items: Sequence[_T], fit: Callable[[Sequence[_T]], Predict[_T] | None]) -> list[float | None]:
    """The value of each item, by what the items of the other folds teach; None where these are too few."""
    found: list[float | None] = [None] * len(items)
    for fold in range(FOLDS):
        predict = fit([item for place, item in enumerate(items) if place % FOLDS != fold])
        if predict is not None:
            for place in range(fold, len(items), FOLDS):
                found[place] = predict(items[place])
    return found
