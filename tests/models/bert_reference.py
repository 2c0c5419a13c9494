"""What MiniLM's vectors should be: its tokens and its layers, computed in numpy from the published weights.

Written from the paper's formulas, and for tests only: a text takes about 20 ms.
"""

import math
import re
import unicodedata

import numpy as np

from tests.models.minilm import Floats, MiniLm

HEADS = 12
_EPSILON = 1e-12


def tokens_of(model: MiniLm, text: str) -> list[int]:
    """Lower case, accents removed, punctuation apart; then each word in the longest known pieces."""
    ids = {token: number for number, token in enumerate(model.vocabulary)}
    plain = "".join(
        each for each in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(each) != "Mn"
    )
    words = re.findall(r"\w+|[^\w\s]", plain)
    pieces = [piece for word in words for piece in _pieces(ids, word)]
    return [ids["[CLS]"], *pieces, ids["[SEP]"]]


def _pieces(ids: dict[str, int], word: str) -> list[int]:
    found: list[int] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if mark + word[start:end] in ids), None)
        if end is None:
            return [ids["[UNK]"]]
        found.append(ids[mark + word[start:end]])
        start = end
    return found


def vector_of(model: MiniLm, text: str) -> Floats:
    """The mean of the last layer over all tokens, with the length 1."""
    weights = model.tensors
    tokens = tokens_of(model, text)
    rows = (
        weights["embeddings.word_embeddings.weight"][tokens]
        + weights["embeddings.position_embeddings.weight"][: len(tokens)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    rows = _norm(model, "embeddings.LayerNorm", rows)
    for number in range(model.config["num_hidden_layers"]):
        rows = _layer(model, f"encoder.layer.{number}.", rows)
    mean = rows.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def _layer(model: MiniLm, prefix: str, rows: Floats) -> Floats:
    attended = _linear(model, f"{prefix}attention.output.dense", _attention(model, prefix, rows))
    rows = _norm(model, f"{prefix}attention.output.LayerNorm", rows + attended)
    inner = _gelu(_linear(model, f"{prefix}intermediate.dense", rows))
    return _norm(model, f"{prefix}output.LayerNorm", rows + _linear(model, f"{prefix}output.dense", inner))


def _attention(model: MiniLm, prefix: str, rows: Floats) -> Floats:
    query, key, value = (
        _linear(model, f"{prefix}attention.self.{name}", rows).reshape(len(rows), HEADS, -1)
        for name in ("query", "key", "value")
    )
    scores = np.einsum("qhd,khd->hqk", query, key) / math.sqrt(query.shape[-1])
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares = scores / scores.sum(axis=-1, keepdims=True)
    return np.asarray(np.einsum("hqk,khd->qhd", shares, value).reshape(len(rows), -1))


def _linear(model: MiniLm, name: str, rows: Floats) -> Floats:
    return np.asarray(rows @ model.tensors[f"{name}.weight"].T + model.tensors[f"{name}.bias"])


def _norm(model: MiniLm, name: str, rows: Floats) -> Floats:
    mean, spread = rows.mean(axis=-1, keepdims=True), rows.std(axis=-1, keepdims=True)
    scaled = (rows - mean) / np.sqrt(spread**2 + _EPSILON)
    return np.asarray(scaled * model.tensors[f"{name}.weight"] + model.tensors[f"{name}.bias"])


_ERF = np.vectorize(math.erf)


def _gelu(rows: Floats) -> Floats:
    return np.asarray(rows * 0.5 * (1 + _ERF(rows / math.sqrt(2))))
