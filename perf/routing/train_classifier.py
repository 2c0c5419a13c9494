"""Trains the small classifier on prompts and on whether the little model was wrong. Needs scikit-learn."""

from collections.abc import Sequence
from typing import Any

from xapp.admission.prompt_features import NAMES, features
from xapp.routing.classifier import Classifier

MIN_ITEMS = 20


def train(prompts: Sequence[str], is_wrong: Sequence[bool], model_digest: str) -> Classifier | None:
    """A logistic regression on standardised features; None where the answers are too few or all alike."""
    if len(prompts) < MIN_ITEMS or len(set(is_wrong)) < 2:
        return None
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  of the bench extra
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    scaler: Any = StandardScaler()
    rows = scaler.fit_transform([features(prompt) for prompt in prompts])
    model: Any = LogisticRegression(C=0.3, max_iter=1000).fit(rows, is_wrong)
    return Classifier(
        version=1,
        model_digest=model_digest,
        features=list(NAMES),
        mean=[float(value) for value in scaler.mean_],
        scale=[float(value) or 1.0 for value in scaler.scale_],
        weights=[float(value) for value in model.coef_[0]],
        bias=float(model.intercept_[0]),
    )
