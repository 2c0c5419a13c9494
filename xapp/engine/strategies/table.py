"""Selects the strategy of a request: a new strategy is a line in `choose`, a new source of guesses in
`_sources`.
"""

from collections.abc import Callable
from time import monotonic

from xapp.backend.base import Backend
from xapp.domain.decoding import Auto, Decoding, Drafted, Ngram
from xapp.domain.messages import Submit
from xapp.engine.drafts import Drafts
from xapp.engine.kv_cache import KVCache
from xapp.engine.sequence import Sequence
from xapp.engine.step_time import StepTime
from xapp.engine.strategies.break_even import BreakEven
from xapp.engine.strategies.decode import DECODE
from xapp.engine.strategies.doubt import Doubt
from xapp.engine.strategies.draft import DraftProposer
from xapp.engine.strategies.embed import Embed
from xapp.engine.strategies.hidden_state import HiddenState
from xapp.engine.strategies.ngram import NgramProposer
from xapp.engine.strategies.score import Score
from xapp.engine.strategies.source import Proposer, Source
from xapp.engine.strategies.speculate import Speculate
from xapp.engine.strategies.strategy import Strategy
from xapp.engine.strategies.verify import Verify


class Strategies:
    """The strategies of one engine."""

    def __init__(
        self,
        backend: Backend,
        kv_cache: KVCache,
        step_time: StepTime,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._backend = backend
        self._kv_cache = kv_cache
        self._step_time = step_time
        self._drafts = Drafts(backend.draft, clock) if backend.draft is not None else None

    def choose(self, request: Submit) -> Strategy[Sequence]:
        """The strategy of a new sequence."""
        if (asks := self._without_answer(request)) is not None:
            return asks
        if request.doubt_below:
            return Doubt(self._backend, request.doubt_below)
        if self._may_draft(request) and (sources := self._sources(request.strategy)):
            return Speculate(self._kv_cache, *sources)
        return DECODE

    def _without_answer(self, request: Submit) -> Strategy[Sequence] | None:
        """The strategy of a request that asks for no tokens."""
        if request.choices:
            return Score(request, self._backend, self._kv_cache)
        if request.embed is not None:
            return Embed(request, request.embed, self._backend)
        if request.verify is not None:
            return Verify(request, self._backend)
        return HiddenState(self._backend) if request.hidden_state else None

    def _may_draft(self, request: Submit) -> bool:
        """Whether drafts are possible. A model whose state cannot be cut cannot remove a rejected draft."""
        return self._backend.info.shares_prefixes and not request.deterministic

    def _sources(self, strategy: Decoding) -> list[Source]:
        """The sources of guesses, the preferred first."""
        match strategy:
            case Ngram(most):
                return [self._source(NgramProposer(), most)]
            case Drafted(most) if self._drafts is not None:
                return [self._source(DraftProposer(self._drafts), most)]
            case Auto():
                each = (Ngram(), Drafted()) if self._drafts is not None else (Ngram(),)
                return [source for kind in each for source in self._sources(kind)]
        return []

    def _source(self, proposer: Proposer, most: int) -> Source:
        return Source(proposer, BreakEven(self._step_time), most)
