"""Which strategy a request gets: a new one is a line in `choose`."""

from xapp.backend.base import Backend
from xapp.domain.messages import Submit
from xapp.engine.kv_cache import KVCache
from xapp.engine.sequence import Sequence
from xapp.engine.strategies.decode import DECODE
from xapp.engine.strategies.score import Score
from xapp.engine.strategies.strategy import Strategy


class Strategies:
    """Of one engine."""

    def __init__(self, backend: Backend, kv_cache: KVCache) -> None:
        self._backend = backend
        self._kv_cache = kv_cache

    def choose(self, request: Submit) -> Strategy[Sequence]:
        """A strategy for a new sequence."""
        if request.choices:
            return Score(request, self._backend, self._kv_cache)
        return DECODE
