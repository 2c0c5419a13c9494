"""A classifier's file that is wrong, of another version or of another model is refused, and named."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from xapp.admission.prompt_features import NAMES, features
from xapp.domain.requests import ChatMessage, Request
from xapp.errors import ConfigError
from xapp.routing.classifier import Classifier, read_classifier
from xapp.routing.difficulty import Trained

COUNT = len(NAMES)
GOOD: dict[str, Any] = {
    "version": 1,
    "model_digest": "sha256:aa",
    "features": list(NAMES),
    "mean": [0.0] * COUNT,
    "scale": [1.0] * COUNT,
    "weights": [1.0] + [0.0] * (COUNT - 1),
    "bias": -3.0,
}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "classifier.json"
    path.write_bytes(msgspec.json.encode(GOOD | changes))
    return path


async def test_longer_prompts_are_harder_for_this_one(tmp_path: Path) -> None:
    signal = Trained(read_classifier(written(tmp_path)))
    short, long = Request("hi"), Request((ChatMessage("user", "word " * 100),))
    first, second = await signal.difficulty(short), await signal.difficulty(long)
    assert first is not None
    assert second is not None
    assert 0 < first < 0.5 < second < 1
    assert await signal.difficulty(Request("hi", model="other")) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"features": ["log_chars"]},
        {"weights": [1.0]},
        {"scale": [0.0] * COUNT},
        {"bias": None},
        {"unknown": 1},
        {"model_digest": 7},
        {"model_digest": "x" * 70_000},
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"XAPP_UPSTREAM_CLASSIFIER: .*classifier\.json"):
        read_classifier(written(tmp_path, **changes))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_classifier(tmp_path / "none.json")


def test_a_classifier_of_another_model_is_refused(tmp_path: Path) -> None:
    found = read_classifier(written(tmp_path))
    found.check_model("file", "sha256:aa")
    with pytest.raises(ConfigError, match=r"sha256:aa.*sha256:bb"):
        found.check_model("file", "sha256:bb")


@pytest.mark.parametrize("prompt", ["", "a", "1+1=?", "ß" * 100_000, (), (ChatMessage("user", ""),)])
def test_any_prompt_has_features(prompt: Any) -> None:
    values = features(prompt)
    assert len(values) == COUNT
    assert all(value == value and abs(value) < 1e6 for value in values)


def test_extreme_prompts_stay_probabilities() -> None:
    wild = Classifier(1, "", list(NAMES), [0.0] * COUNT, [1e-9] * COUNT, [1e9] * COUNT, 0.0)
    assert wild.difficulty("?" * 1000) == pytest.approx(1.0)
