"""A CTranslate2 model of one layer with made-up weights, and its SentencePiece models."""

import io
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import sentencepiece

_DEPTH, _FEED_FORWARD, _VOCABULARY = 8, 16, 60
_TEXT = "the radio unit lost its power at noon\nplease check the antenna on the north side\n" * 5


def write_tiny_model(folder: Path) -> Path:
    """The folder, as a user's Opus-MT model looks."""
    pieces = _write_pieces(folder)
    spec = ctranslate2.specs.TransformerSpec.from_config(1, 2)
    rng = np.random.default_rng(1)
    for name, layer, attribute in _unset(spec):
        setattr(layer, attribute, rng.normal(0, 0.1, _shape(name, len(pieces))).astype(np.float32))
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    spec.validate()
    spec.save(str(folder))
    return folder


def _write_pieces(folder: Path) -> list[str]:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_TEXT.splitlines()),
        model_writer=model,
        vocab_size=_VOCABULARY,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [processor.id_to_piece(number) for number in range(processor.get_piece_size())]


def _unset(spec: Any) -> list[tuple[str, Any, str]]:
    found: list[tuple[str, Any, str]] = []

    def visit(layer: Any, name: str, value: object) -> None:
        if value is None:
            found.append((name, layer, name.rsplit("/", 1)[-1]))

    ctranslate2.specs.model_spec.visit_spec(spec, visit)
    return found


def _shape(name: str, num_pieces: int) -> tuple[int, ...]:
    if name.endswith(("gamma", "beta")):
        return (_DEPTH,)
    if "embeddings" in name or "projection" in name:
        return (num_pieces, _DEPTH)
    if "ffn" in name:
        return (_FEED_FORWARD, _DEPTH) if "linear_0" in name else (_DEPTH, _FEED_FORWARD)
    if "self_attention/linear_0" in name:
        return (3 * _DEPTH, _DEPTH)
    if "attention/linear_1" in name and "self" not in name:
        return (2 * _DEPTH, _DEPTH)
    return (_DEPTH, _DEPTH)
