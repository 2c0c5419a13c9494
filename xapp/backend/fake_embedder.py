"""A deterministic backend of vectors without a model: for unit tests, and for a server under test.

A vector counts the bytes of a text by their value modulo DIMENSIONS, so that texts with common words are
alike. A pair's score is larger, the more bytes its two halves share.
"""

import math
from array import array
from collections.abc import Sequence

import msgspec

from xapp.backend.base import NOT_DRAWN, Batch, Interrupted, Sampler
from xapp.backend.byte_vocab import BOS, EOS
from xapp.backend.fake import fake_info
from xapp.backend.interrupt import Interrupt
from xapp.backend.no_cells import NoCells
from xapp.config import EngineSettings
from xapp.domain.kinds import EMBEDDING, RERANKER, ModelKind
from xapp.domain.messages import ModelInfo

DIMENSIONS = 16
CONTEXT_LENGTH = 256


def vector_of(tokens: Sequence[int]) -> list[float]:
    """The vector of a text, not normalized."""
    values = [0.0] * DIMENSIONS
    for token in tokens:
        if token < BOS:
            values[token % DIMENSIONS] += 1.0
    return values


def score_of(tokens: Sequence[int]) -> float:
    """The score of a query and a document, with EOS between them."""
    middle = tokens.index(EOS) if EOS in tokens else len(tokens)
    query, document = set(tokens[:middle]), set(tokens[middle:])
    return float(len(query & document)) - len(query) / 2


class FakeEmbedder(NoCells):
    """A Backend with Pooling. `batches` has the numbers of tokens of its batches."""

    def __init__(self, settings: EngineSettings | None = None, kind: ModelKind = EMBEDDING) -> None:
        self.info = embedder_info(settings or EngineSettings(), kind)
        self.num_sequences = 32
        self.interrupt = Interrupt()
        self.batches: list[int] = []
        self.hurried: list[bool] = []
        self._texts: dict[int, list[int]] = {}

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        """See Backend."""
        if self.interrupt.is_set:
            raise Interrupted
        texts: dict[int, list[int]] = {}
        for token, position, place in zip(batch.tokens, batch.positions, batch.seq_ids, strict=True):
            text = texts.setdefault(place, [])
            assert position == len(text), "a text is whole"
            text.append(token)
        assert len(texts) == len(batch.outputs) <= self.num_sequences
        self._texts = texts
        self.batches.append(len(batch))
        self.hurried.append(batch.hurried)
        return [NOT_DRAWN] * len(batch.outputs)

    def vectors(self, places: Sequence[int], dimensions: int, *, normalized: bool) -> bytes:
        """See Pooling."""
        return b"".join(self._vector(place, dimensions, normalized) for place in places)

    def _vector(self, place: int, dimensions: int, normalized: bool) -> bytes:
        if self.info.kind == RERANKER.name:
            return array("f", [score_of(self._texts[place])]).tobytes()
        values = vector_of(self._texts[place])[: dimensions or None]
        length = math.sqrt(math.fsum(each * each for each in values)) or 1.0
        return array("f", [each / length for each in values] if normalized else values).tobytes()

    def close(self) -> None:
        """Nothing to free."""


def embedder_info(settings: EngineSettings, kind: ModelKind) -> ModelInfo:
    """The properties that the fake states."""
    length = settings.context_length or CONTEXT_LENGTH
    return msgspec.structs.replace(
        fake_info(settings),
        context_length=length,
        kv_cells_total=0,
        shares_prefixes=False,
        batch_tokens=max(settings.batch_tokens, length),
        kind=kind.name,
        dimensions=1 if kind is RERANKER else DIMENSIONS,
    )
