"""Whether anything of a principal gets into the answers to others.

Requests of many principals, whose prompts begin alike, run through the engine with the fake
backend. The next token of an answer follows from all tokens before it, so one foreign token makes a wrong
answer; and no request may find more in the cache than its own principal asked before.
"""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from xapp.backend.fake import FakeBackend
from xapp.config import EngineSettings
from xapp.domain.messages import StepEvents, Submit
from xapp.domain.prefix import common_prefix
from xapp.domain.scope import of_principal
from xapp.engine.engine import Engine

NUM_PRINCIPALS = 12
MAX_OPEN = 24


@dataclass
class _Open:
    name: str
    request: Submit
    tokens: list[int]


class Mix:
    """Requests of many principals on one engine, each answer held against what it must be."""

    def __init__(self, seed: int = 1) -> None:
        self._dice = random.Random(seed)
        settings = EngineSettings(slots=8, kv_cells=2048, context_length=512)
        self._backend = FakeBackend(settings, num_sequences=16, rule=_next_token)
        self._engine = Engine(self._backend)
        self._asked: dict[str, deque[list[int]]] = {}
        self._open: dict[int, _Open] = {}
        self.num_requests = self.num_foreign = self.num_shared = 0

    def run(self, count: int) -> None:
        """So many requests more, to the end."""
        until = self.num_requests + count
        while self.num_requests < until or self._engine.has_work:
            while self.num_requests < until and len(self._open) < MAX_OPEN:
                self._submit()
            self._backend.batches.clear()
            self._read(self._engine.step())

    def _submit(self) -> None:
        dice = self._dice
        name = str(dice.randrange(NUM_PRINCIPALS))
        prompt = [dice.randrange(3)] * 16 + [dice.randrange(2)] * 8 + [dice.randrange(250) for _ in range(4)]
        request = Submit(
            self.num_requests, prompt, dice.randint(1, 4), ignore_eos=True, scope=_scope_of(name)
        )
        self._asked.setdefault(name, deque(maxlen=256)).append(prompt)
        self._open[request.request_id] = _Open(name, request, [])
        self.num_requests += 1
        self._engine.submit(request)

    def _most_cached(self, opened: _Open) -> int:
        """Of its prompt, what its principal asked otherwise. Later requests may run first."""
        prompt = opened.request.prompt
        others = (each for each in self._asked[opened.name] if each is not prompt)
        return max((common_prefix(each, prompt) for each in others), default=0)

    def _read(self, events: StepEvents) -> None:
        for started in events.started:
            self.num_shared += started.num_cached_tokens > 0
            most = self._most_cached(self._open[started.request_id])
            self.num_foreign += started.num_cached_tokens > most
        pairs = iter(events.tokens)
        for request_id, token in zip(pairs, pairs, strict=True):
            self._open[request_id].tokens.append(token)
        for finished in events.finished:
            ended = self._open.pop(finished.request_id)
            self.num_foreign += ended.tokens != _answer(ended.request)


def _scope_of(name: str) -> str:
    return of_principal(name)


def _next_token(tokens: Sequence[int]) -> int:
    return hash(tuple(tokens)) % 250


def _answer(request: Submit) -> list[int]:
    tokens = list(request.prompt)
    for _ in range(request.max_tokens):
        tokens.append(_next_token(tokens))
    return tokens[len(request.prompt) :]
