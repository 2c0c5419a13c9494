"""Trains the linear probe on hidden states and on whether the little model was wrong. Needs scikit-learn."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from perf.routing.train_classifier import MIN_ITEMS
from xapp.routing.linear_probe import LinearProbe

_STRENGTHS = tuple(10.0**power for power in range(-5, 1))
"""Of which cross-validation within the training questions picks: a state has more numbers than there are
questions."""
_FOLDS = 5


def train_probe(
    states: Sequence[Sequence[float]], is_wrong: Sequence[bool], model_digest: str
) -> LinearProbe | None:
    """A logistic regression on standardised states; None where answers are too few or too alike."""
    if len(states) < MIN_ITEMS or min(is_wrong.count(True), is_wrong.count(False)) < _FOLDS:
        return None
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  of the bench extra
    from sklearn.model_selection import GridSearchCV  # noqa: PLC0415

    raw = np.array(states)
    mean, scale = raw.mean(0), raw.std(0) + 1e-6
    search: Any = GridSearchCV(
        LogisticRegression(max_iter=1000), {"C": _STRENGTHS}, cv=_FOLDS, scoring="neg_log_loss"
    )
    model = search.fit((raw - mean) / scale, is_wrong).best_estimator_
    weights = model.coef_[0] / scale
    return LinearProbe(
        version=1,
        predicts="difficulty",
        model_digest=model_digest,
        weights=weights.tolist(),
        bias=float(model.intercept_[0] - weights @ mean),
    )
