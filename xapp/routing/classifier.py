"""A trained classifier of difficulty: a logistic regression on features of the prompt, from a JSON file.

    {"version": 1, "model_digest": "sha256:…", "features": ["log_chars", …],
     "mean": [5.1, …], "scale": [0.4, …], "weights": [0.2, …], "bias": -0.1}

`genai-xapp bench routing --classifier FILE` writes it. It is for the model whose answers trained it.
"""

import math
from pathlib import Path
from typing import Literal

import msgspec

from xapp.admission.prompt_features import NAMES, features
from xapp.domain.requests import Prompt
from xapp.errors import ConfigError

KEY = "XAPP_UPSTREAM_CLASSIFIER"
VERSION = 1
MAX_BYTES = 65_536


class Classifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`mean` and `scale` standardise the features. `model_digest` is that of the little model."""

    version: Literal[1]
    model_digest: str
    features: list[str]
    mean: list[float]
    scale: list[float]
    weights: list[float]
    bias: float

    def check_model(self, path: str, digest: str) -> None:
        """Raises ConfigError for a node with another model than this digest's."""
        check_model(KEY, path, self.model_digest, digest)

    def difficulty(self, prompt: Prompt) -> float:
        """The probability that the request is worth the upstream."""
        rows = zip(features(prompt), self.mean, self.scale, self.weights, strict=True)
        total = self.bias + sum((value - mean) / scale * weight for value, mean, scale, weight in rows)
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))


def read_classifier(path: Path) -> Classifier:
    """Raises ConfigError: no such file, another version, or features of another version."""
    try:
        body = path.read_bytes()
        if len(body) > MAX_BYTES:
            raise ConfigError(KEY, f"{path}: larger than {MAX_BYTES} bytes")
        found = msgspec.json.decode(body, type=Classifier)
    except OSError as error:
        raise ConfigError(KEY, f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(KEY, f"{path}: no classifier of version {VERSION}: {error}") from error
    _check(path, found)
    return found


def _check(path: Path, found: Classifier) -> None:
    if tuple(found.features) != NAMES:
        raise ConfigError(KEY, f"{path}: is for the features {', '.join(found.features)[:200]}")
    if any(len(values) != len(NAMES) for values in (found.mean, found.scale, found.weights)):
        raise ConfigError(KEY, f"{path}: needs {len(NAMES)} numbers in mean, scale and weights")
    numbers = (*found.mean, *found.scale, *found.weights, found.bias)
    if not all(map(math.isfinite, numbers)) or not all(found.scale):
        raise ConfigError(KEY, f"{path}: has a number that is not finite, or a scale of 0")


def check_model(key: str, path: str, trained_on: str, digest: str) -> None:
    """Raises ConfigError with the key where a file is for another model than the node's."""
    if trained_on != digest:
        raise ConfigError(key, f"{path}: is for the model {trained_on}, this node's is {digest}")
