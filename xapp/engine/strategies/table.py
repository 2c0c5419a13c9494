"""Selects the strategy of a request. A new strategy is a line in `_proposer`, or in `choose`."""

from xapp.backend.base import Backend
from xapp.domain.decoding import Auto, Decoding, Ngram
from xapp.domain.messages import Submit
from xapp.engine.kv_cache import KVCache
from xapp.engine.sequence import Sequence
from xapp.engine.step_time import StepTime
from xapp.engine.strategies.break_even import BreakEven
from xapp.engine.strategies.decode import DECODE
from xapp.engine.strategies.ngram import NgramProposer
from xapp.engine.strategies.score import Score
from xapp.engine.strategies.speculate import Proposer, Speculate
from xapp.engine.strategies.strategy import Strategy


class Strategies:
    """The strategies of one engine."""

    def __init__(self, backend: Backend, kv_cache: KVCache, step_time: StepTime) -> None:
        self._backend = backend
        self._kv_cache = kv_cache
        self._step_time = step_time

    def choose(self, request: Submit) -> Strategy[Sequence]:
        """The strategy of a new sequence."""
        if request.choices:
            return Score(request, self._backend, self._kv_cache)
        if self._may_draft(request) and (proposer := self._proposer(request.strategy)) is not None:
            return Speculate(self._kv_cache, proposer, BreakEven(self._step_time), _most(request.strategy))
        return DECODE

    def _may_draft(self, request: Submit) -> bool:
        """Whether drafts are possible. A model whose state cannot be cut cannot remove a rejected draft."""
        return self._backend.info.shares_prefixes and not request.deterministic

    def _proposer(self, strategy: Decoding) -> Proposer | None:
        match strategy:
            case Ngram() | Auto():
                return NgramProposer()
        return None


def _most(strategy: Decoding) -> int:
    return strategy.max_drafts if isinstance(strategy, Ngram) else Ngram().max_drafts
