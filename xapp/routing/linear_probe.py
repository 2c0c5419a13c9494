"""A linear probe: a weighted sum of the hidden state of a prompt's last token, from a JSON file.

    {"version": 1, "predicts": "difficulty", "model_digest": "sha256:…", "weights": [0.02, …], "bias": -0.1}

`genai-xapp bench routing --probe FILE` writes it. It is for the model whose states and answers trained it.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from xapp.errors import ConfigError
from xapp.routing.classifier import check_model

KEY = "XAPP_UPSTREAM_PROBE"
VERSION = 1
MAX_BYTES = 1_048_576
_LIMIT = 50.0


class LinearProbe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`weights` are for states as the model makes them. `model_digest` is that of this model."""

    version: Literal[1]
    predicts: Literal["difficulty"]
    model_digest: str
    weights: list[float]
    bias: float

    def check_model(self, path: str, digest: str) -> None:
        """Raises ConfigError for a node with another model than this digest's."""
        check_model(KEY, path, self.model_digest, digest)

    def difficulty(self, state: Sequence[float]) -> float | None:
        """The probability that the model answers wrongly; None for a state of another size."""
        if len(state) != len(self.weights):
            return None
        total = self.bias + math.fsum(map(float.__mul__, self.weights, state))
        return 1 / (1 + math.exp(-max(-_LIMIT, min(_LIMIT, total))))


def read_probe(path: Path) -> LinearProbe:
    """Raises ConfigError: no such file, another version, or numbers that are none."""
    try:
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise ConfigError(KEY, f"{path}: larger than {MAX_BYTES} bytes")
        found = msgspec.json.decode(body, type=LinearProbe)
    except OSError as error:
        raise ConfigError(KEY, f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(KEY, f"{path}: no probe of version {VERSION}: {error}") from error
    if not found.weights or not all(map(math.isfinite, (*found.weights, found.bias))):
        raise ConfigError(KEY, f"{path}: needs weights, and all of its numbers finite")
    return found
