"""GrammarSampler: draws tokens that a grammar allows. It tries the ordinary choice first, then searches."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from xapp.backend.base import Outcome
from xapp.backend.constraint import Constraint
from xapp.backend.llama_pieces import Pieces
from xapp.backend.llama_sampler import ChainSampler
from xapp.domain.messages import SamplingParams

FIRST_LOOK = 32
"""Candidates that are sorted at first: one of them is nearly always allowed."""
_Floats = npt.NDArray[np.float32]
_Ids = npt.NDArray[np.int64]


class GrammarSampler:
    """Greedy without a `chain`. Otherwise the chain draws, and refused tokens are excluded and drawn again.

    Greedy is exact: the most likely allowed token. Drawing again without refused tokens gives each
    remaining token of the chain its share among the allowed tokens. Where the chain leaves no token, it
    draws again among possibly allowed tokens only.
    """

    def __init__(
        self, constraint: Constraint, pieces: Pieces, params: SamplingParams, chain: ChainSampler | None
    ) -> None:
        self._constraint = constraint
        self._pieces = pieces
        self._chain = chain
        self._noise = np.random.default_rng(params.seed) if params.temperature > 0 else None

    @property
    def outcome(self) -> Outcome:
        """See Sampler."""
        return self._constraint.outcome

    def sample(self, logits: _Floats, likeliest: int) -> int:
        """A token; `likeliest` is the argmax. Sets `outcome`."""
        if self._chain is None:
            return self._constraint.draw(self._by_likelihood(logits, likeliest))
        token = self._constraint.draw(self._by_chance(self._chain, logits))
        if self.outcome is not Outcome.STUCK:
            self._chain.accept(token)
        return token

    def _by_likelihood(self, logits: _Floats, likeliest: int) -> Iterator[int]:
        yield likeliest
        candidates = self._candidates()
        yield from _descending(logits[candidates], candidates)

    def _by_chance(self, chain: ChainSampler, logits: _Floats) -> Iterator[int]:
        chosen, left = chain.choose(self._pieces.table.all, logits)
        yield chosen
        candidates = self._candidates()
        possible = np.zeros(len(logits), dtype=np.bool_)
        possible[candidates] = True
        possible[chosen] = False
        yield from self._redrawn(left[possible[left["id"]]])
        if len(candidates):
            _, left = chain.choose(candidates, logits[candidates])
            yield from self._redrawn(left)
            yield from _descending(logits[candidates], candidates)

    def _redrawn(self, left: npt.NDArray[np.void]) -> Iterator[int]:
        """Draws without replacement: in the order of logits with Gumbel noise, which is equivalent."""
        values = left["logit"].copy()
        if self._noise is not None:
            values += self._noise.gumbel(size=len(values)).astype(np.float32)
        return _descending(values, left["id"].astype(np.int64))

    def _candidates(self) -> _Ids:
        """The possibly allowed tokens: a superset of the allowed tokens."""
        table = self._pieces.table
        candidates = table.beginning_with(self._constraint.first_bytes())
        return np.concatenate((candidates, table.ends)) if self._constraint.may_end else candidates

    def accept(self, token: int) -> bool:
        """See Sampler."""
        if not self._constraint.accept(token):
            return False
        if self._chain is not None:
            self._chain.accept(token)
        return True

    def mark(self) -> object:
        """See Sampler."""
        chain = None if self._chain is None else self._chain.mark()
        noise = None if self._noise is None else self._noise.bit_generator.state
        return self._constraint.mark(), chain, noise

    def rollback(self, mark: object) -> None:
        """See Sampler."""
        place, chain, noise = cast(tuple[object, object, Any], mark)
        self._constraint.rollback(place)
        if self._chain is not None:
            self._chain.rollback(chain)
        if self._noise is not None:
            self._noise.bit_generator.state = noise

    def close(self) -> None:
        """Frees the chain. Safe to call twice."""
        if self._chain is not None:
            self._chain.close()


def _descending(values: _Floats, tokens: _Ids) -> Iterator[int]:
    if len(values) > FIRST_LOOK:
        top = np.argpartition(values, -FIRST_LOOK)[-FIRST_LOOK:]
        yield from _sorted(values[top], tokens[top])
        rest = np.ones(len(values), dtype=np.bool_)
        rest[top] = False
        values, tokens = values[rest], tokens[rest]
    yield from _sorted(values, tokens)


def _sorted(values: _Floats, tokens: _Ids) -> list[int]:
    order = np.argsort(-values, kind="stable")
    ids: list[int] = tokens[order].tolist()
    return ids
