"""Draws tokens that a grammar allows: the ordinary choice first, a search only when that is refused."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from xapp.backend.base import Outcome
from xapp.backend.constraint import Constraint
from xapp.backend.llama_pieces import Pieces
from xapp.backend.llama_sampler import ChainSampler

FIRST_LOOK = 32
"""Candidates that are sorted at first: one of them nearly always fits."""
MAX_REDRAWS = 64
"""Draws that may be refused before the likeliest token that fits is taken."""


class GrammarSampler:
    """Greedy without a `chain`; else the chain draws, and what is refused is drawn again without it.

    Greedy is exact: the likeliest token that is allowed. Drawing again without what was refused gives
    each allowed token its share of what is allowed.
    """

    def __init__(self, constraint: Constraint, pieces: Pieces, chain: ChainSampler | None) -> None:
        self._constraint = constraint
        self._pieces = pieces
        self._chain = chain

    @property
    def outcome(self) -> Outcome:
        """See Sampler."""
        return self._constraint.outcome

    def sample(self, logits: npt.NDArray[np.float32], likeliest: int) -> int:
        """A token; `likeliest` is the argmax. Sets `outcome`."""
        if self._chain is None:
            return self._constraint.draw(self._by_likelihood(logits, likeliest))
        token = self._constraint.draw(self._by_chance(self._chain, logits))
        self._chain.accept(token)
        return token

    def _by_likelihood(self, logits: npt.NDArray[np.float32], likeliest: int) -> Iterator[int]:
        yield likeliest
        yield from _descending(logits, self._candidates())

    def _by_chance(self, chain: ChainSampler, logits: npt.NDArray[np.float32]) -> Iterator[int]:
        yield chain.choose(np.arange(len(logits)), logits)
        candidates = self._candidates()
        for _ in range(min(MAX_REDRAWS, len(candidates))):
            chosen = chain.choose(candidates, logits[candidates])
            yield chosen
            candidates = candidates[candidates != chosen]
        yield from _descending(logits, candidates)

    def _candidates(self) -> npt.NDArray[np.int64]:
        table = self._pieces.table
        candidates = table.beginning_with(self._constraint.first_bytes())
        return np.concatenate((candidates, table.ends)) if self._constraint.may_end else candidates

    def close(self) -> None:
        """Frees the chain. Safe to call twice."""
        if self._chain is not None:
            self._chain.close()


def _descending(logits: npt.NDArray[np.float32], candidates: npt.NDArray[np.int64]) -> Iterator[int]:
    values = logits[candidates]
    if len(values) > FIRST_LOOK:
        top = np.argpartition(values, -FIRST_LOOK)[-FIRST_LOOK:]
        yield from _sorted(values[top], candidates[top])
        rest = np.ones(len(values), dtype=np.bool_)
        rest[top] = False
        values, candidates = values[rest], candidates[rest]
    yield from _sorted(values, candidates)


def _sorted(values: npt.NDArray[np.float32], candidates: npt.NDArray[np.int64]) -> list[int]:
    order = np.argsort(-values, kind="stable")
    tokens: list[int] = candidates[order].tolist()
    return tokens
