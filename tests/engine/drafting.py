"""Strategies and proposers that are made for tests: what they guess follows a script."""

import zlib
from array import array
from collections.abc import Callable
from collections.abc import Sequence as Tokens
from weakref import WeakKeyDictionary

from tests.engine.harness import rule
from xapp.backend.base import Batch, Outcome
from xapp.backend.fake_draft import FakeDraft
from xapp.backend.fake_rule import END_TOKEN
from xapp.engine.drafts import Drafts
from xapp.engine.kv_cache import KVCache
from xapp.engine.sequence import Sequence, Status
from xapp.engine.strategies.decode import Decode
from xapp.engine.strategies.draft import DraftProposer
from xapp.engine.strategies.guess import Guess
from xapp.engine.strategies.ngram import NgramProposer
from xapp.engine.strategies.source import Source
from xapp.engine.strategies.speculate import Speculate


class Guesses:
    """Guesses the first tokens right and the others wrong, as many as the tokens so far and `seed` say."""

    def __init__(self, seed: int = 0, right: int | None = None, wrong: int | None = None) -> None:
        self._seed, self._right, self._wrong = seed, right, wrong

    def propose(self, tokens: list[int], most: int) -> Guess:
        digest = zlib.crc32(array("i", [self._seed, *tokens]).tobytes())
        right = digest % 6 if self._right is None else self._right
        wrong = digest // 6 % 4 if self._wrong is None else self._wrong
        guessed = list(tokens)
        for _ in range(right):
            guessed.append(rule(guessed))
        for _ in range(wrong):
            guessed.append((rule(guessed) + 1) % 256)
        guesses = guessed[len(tokens) :][:most]
        return Guess(guesses, [0] * len(guesses))

    def cost_s(self, num_tokens: int, count: int) -> float:
        return 0.0

    def close(self) -> None:
        """Nothing."""


class Always:
    """Every guess is computed."""

    def worth(self, batch: Batch, position: int, most: int, cost_of: Callable[[int], float]) -> int:
        return most

    def choose(self, batch: Batch, position: int, kinds: list[int]) -> int:
        return len(kinds)

    def price(self, batch: Batch, position: int, count: int, cost_s: float) -> float:
        return 1.0

    def learn(self, num_right: int, kinds: list[int]) -> None:
        """Nothing."""


class Scripted(Speculate):
    """As many drafts as are guessed and there is room for, up to `most`."""

    def __init__(
        self,
        kv_cache: KVCache,
        seed: int = 0,
        *,
        right: int | None = None,
        wrong: int | None = None,
        most: int = 8,
    ) -> None:
        super().__init__(kv_cache, Source(Guesses(seed, right, wrong), Always(), most))


class Overshoot(Speculate):
    """Guesses behind the answer's last token too, for which it has spare cells."""

    num_spare = 5

    def __init__(self, kv_cache: KVCache, seed: int = 0) -> None:
        super().__init__(kv_cache, Source(Guesses(seed), Always(), self.num_spare))

    def _most(self, sequence: Sequence) -> int:
        return self.num_spare


DRAFT_SEQUENCES = 2
_DRAFTS: WeakKeyDictionary[KVCache, Drafts] = WeakKeyDictionary()


def drafts_of(cache: KVCache, seed: int = 0) -> Drafts:
    """The one draft model of an engine. It is wrong about every fourth token, and has few ids and cells."""

    def nearly(tokens: Tokens[int]) -> int:
        is_wrong = zlib.crc32(array("i", [seed, *tokens]).tobytes()) % 4 == 0
        return (rule(tokens) + is_wrong) % 256

    if cache not in _DRAFTS:
        _DRAFTS[cache] = Drafts(FakeDraft(nearly, num_sequences=DRAFT_SEQUENCES, num_cells=300))
    return _DRAFTS[cache]


def drafted(cache: KVCache, seed: int = 0) -> Speculate:
    """Speculates with that draft model, as much as it can."""
    return Speculate(cache, Source(DraftProposer(drafts_of(cache, seed)), Always(), 1 + seed % 8))


def from_both(cache: KVCache, seed: int = 0) -> Speculate:
    """Its own tokens first, then the draft model."""
    own = Source(NgramProposer(1), Always(), 1 + seed % 3)
    return Speculate(cache, own, Source(DraftProposer(drafts_of(cache, seed)), Always(), 1 + seed % 8))


class HoldBack(Decode):
    """Keeps up to `most` tokens back until a script says how many of them count; the others are drawn again.

    So a draft lasts for several steps, and its sampler goes back to a mark, as when a larger model checks
    what a smaller one wrote.
    """

    def __init__(self, kv_cache: KVCache, seed: int = 0, most: int = 4) -> None:
        self._kv_cache, self._seed, self._most = kv_cache, seed, most
        self.num_spare = most
        self.held: list[int] = []
        self._marks: list[object] = []
        """The sampler after each of them."""
        self.num_rollbacks = 0

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        tokens, start = [*sequence.tokens, *self.held], sequence.num_computed
        assert sequence.seq_id is not None
        count = min(room, len(tokens) - start)
        batch.extend(tokens[start : start + count], start, sequence.seq_id)
        if start + count == len(tokens):
            batch.want_output()
        return count

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        sequence.status = Status.DECODE
        self.held += drawn
        self._marks.append(sequence.sampler.mark())
        ends = sequence.sampler.outcome is not Outcome.OPEN or drawn == [END_TOKEN]
        return self._judge(sequence) if ends or len(self.held) == self._most else []

    def _judge(self, sequence: Sequence) -> list[int]:
        digest = zlib.crc32(array("i", [self._seed, sequence.num_computed, *self.held]).tobytes())
        count = max(1, len(self.held) - digest % 3)
        accepted = self.held[:count]
        if count < len(self.held):
            self.num_rollbacks += 1
            sequence.sampler.rollback(self._marks[count - 1])
            self._kv_cache.trim(sequence, len(sequence.tokens) + count - 1)
        self.held, self._marks = [], []
        return accepted

    def prompt_left(self, sequence: Sequence) -> int:
        return len(sequence.tokens) + len(self.held) - sequence.num_computed
