"""Matching, sharing and giving back cells, without an engine around."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale import examples
from xapp.backend.base import Batch
from xapp.backend.fake import FakeBackend
from xapp.config import EngineSettings
from xapp.domain.messages import Priority, Submit
from xapp.domain.prefix import MIN_PREFIX, common_prefix
from xapp.engine.kv_cache import KVCache
from xapp.engine.prefix_match import NO_MATCH, Match
from xapp.engine.sequence import Sequence, Status
from xapp.engine.strategies.decode import DECODE

TEXT = list(range(100))
few = st.lists(st.integers(0, 1), max_size=40)


@given(few, few, few)
def test_common_prefix_is_that_of_a_plain_loop(stem: list[int], one: list[int], two: list[int]) -> None:
    a, b = stem + one, stem + two
    plain = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    assert common_prefix(a, b) == plain


class Bench:
    """A cache on a fake backend, and prompts to put there."""

    def __init__(self, cells: int = 256, ids: int = 4, *, reuse: bool = True) -> None:
        settings = EngineSettings(slots=ids, kv_cells=cells)
        self.backend = FakeBackend(settings, num_sequences=ids)
        self.cache = KVCache(self.backend, cells, reuse=reuse)

    def sequence(
        self, prompt: list[int], max_tokens: int = 1, priority: Priority = Priority.INTERACTIVE
    ) -> Sequence:
        return Sequence(Submit(0, prompt, max_tokens, priority=priority), DECODE)

    def run(self, prompt: list[int], count: int | None = None, max_tokens: int = 1) -> Sequence:
        """Admits a prompt and computes `count` tokens of it, all when None."""
        sequence = self.sequence(prompt, max_tokens)
        match = self.cache.match(sequence)
        assert not match.pending
        assert self.cache.admit(sequence, match)
        sequence.status = Status.PREFILL
        self.compute(sequence, sequence.prompt_left if count is None else count)
        return sequence

    def compute(self, sequence: Sequence, count: int) -> None:
        assert sequence.seq_id is not None
        start = sequence.num_computed
        batch = Batch()
        batch.extend(sequence.tokens[start : start + count], start, sequence.seq_id)
        self.backend.decode(batch, [])
        self.cache.computed(sequence, count)
        if sequence.prompt_left == 0:
            sequence.status = Status.DECODE
        assert self.backend.used == self.cache.used


def test_nothing_matches_in_an_empty_cache() -> None:
    bench = Bench()
    assert bench.cache.match(bench.sequence(TEXT)) is NO_MATCH


def test_the_longest_prefix_wins_running_or_cached() -> None:
    bench = Bench()
    bench.cache.release(bench.run(TEXT[:20]))
    longest = bench.run([*TEXT[:30], 1])
    bench.run([*TEXT[:25], 2])
    assert bench.cache.match(bench.sequence(TEXT)) == Match(longest.seq_id, 30)


def test_the_last_token_is_always_left_to_compute() -> None:
    bench = Bench()
    running = bench.run(TEXT)
    assert bench.cache.match(bench.sequence(TEXT)) == Match(running.seq_id, 99)


@pytest.mark.parametrize(("common", "found"), [(MIN_PREFIX - 1, False), (MIN_PREFIX, True)])
def test_short_prefixes_are_not_worth_it(common: int, found: bool) -> None:
    bench = Bench()
    bench.cache.release(bench.run(TEXT))
    match = bench.cache.match(bench.sequence([*TEXT[:common], 200, 201]))
    assert (match is not NO_MATCH) is found


def test_what_is_being_computed_is_worth_waiting_for() -> None:
    bench = Bench()
    running = bench.run(TEXT, 10)
    assert bench.cache.match(bench.sequence(TEXT)) == Match(running.seq_id, 99, pending=True)
    bench.compute(running, 90)
    assert bench.cache.match(bench.sequence(TEXT)) == Match(running.seq_id, 99)


def test_nobody_waits_for_the_prefill_of_a_lower_class() -> None:
    bench = Bench()
    running = bench.run(TEXT, 10)
    critical = bench.sequence(TEXT, priority=Priority.CRITICAL)
    assert bench.cache.match(critical) == Match(running.seq_id, 10)


def test_the_ready_part_of_a_prefill_is_used_when_the_rest_differs() -> None:
    bench = Bench()
    running = bench.run(TEXT, 40)
    assert bench.cache.match(bench.sequence([*TEXT[:30], 200])) == Match(running.seq_id, 30)


def test_nothing_is_reused_when_told_so() -> None:
    bench = Bench(reuse=False)
    running = bench.run(TEXT)
    assert bench.cache.match(bench.sequence(TEXT)) is NO_MATCH
    bench.cache.release(running)
    assert bench.cache.used == 0


def test_shared_cells_count_once() -> None:
    bench = Bench()
    bench.run(TEXT)
    bench.run([*TEXT[:50], 1, 2])
    assert bench.cache.used == 102


def test_of_two_prefixes_the_longer_stays() -> None:
    bench = Bench()
    short, long = bench.run(TEXT[:40]), bench.run(TEXT)
    bench.cache.release(long)
    bench.cache.release(short)
    assert bench.cache.match(bench.sequence(TEXT)).length == 99


def test_the_least_recently_used_prefix_goes_first() -> None:
    bench = Bench(cells=64)
    old, young = [1] * 30, [2] * 30
    bench.cache.release(bench.run(old))
    bench.cache.release(bench.run(young))
    bench.cache.release(bench.run([*old, 3]))
    bench.run([5] * 20)
    assert bench.cache.match(bench.sequence([*young, 9])) is NO_MATCH
    assert bench.cache.match(bench.sequence([*old, 9])).length == 30


def test_a_prefix_in_use_is_a_recent_one() -> None:
    bench = Bench(cells=100)
    old, young = [1] * 30, [2] * 30
    bench.cache.release(bench.run(old))
    bench.cache.release(bench.run(young))
    bench.run([*old[:20], 3])
    bench.run([5] * 30, max_tokens=11)
    assert bench.cache.match(bench.sequence([*young, 9])).parked is not None
    assert bench.cache.match(bench.sequence([*old, 9])).parked is None


def test_cells_of_a_whole_answer_are_set_aside() -> None:
    bench = Bench(cells=64)
    running = bench.run([1] * 30, max_tokens=11)
    assert bench.cache.reserved == 10
    second = bench.sequence([2] * 25)
    assert not bench.cache.admit(second, NO_MATCH)
    assert second.seq_id is None
    bench.cache.release(running)
    assert bench.cache.reserved == 0
    assert bench.cache.admit(second, NO_MATCH)


def test_too_short_to_be_worth_keeping() -> None:
    bench = Bench()
    bench.cache.release(bench.run(TEXT[: MIN_PREFIX - 1]))
    assert bench.cache.used == 0


def test_a_sequence_that_never_ran_has_nothing_to_give_back() -> None:
    bench = Bench()
    bench.cache.release(bench.sequence(TEXT))
    assert bench.cache.used == 0


def test_a_parked_prefix_comes_back_and_is_cut_to_what_is_used() -> None:
    bench = Bench(cells=64)
    bench.cache.release(bench.run([2] * 30))
    bench.cache.release(bench.run([5] * 50))
    again = bench.run([2] * 20 + [9], count=1)
    assert (again.num_cached, again.num_computed) == (20, 21)
    assert again.seq_id is not None
    assert bench.backend.content(again.seq_id) == [2] * 20 + [9]


def test_a_parked_prefix_that_does_not_fit_is_computed_again() -> None:
    bench = Bench(cells=128)
    bench.cache.release(bench.run([2] * 60))
    filler = bench.run([5] * 90)
    assert bench.cache.match(bench.sequence([2] * 20)).parked is not None
    assert bench.run([2] * 20).num_cached == 0
    assert filler.seq_id is not None


def test_a_parked_prefix_that_the_backend_refuses_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(cells=64)
    bench.cache.release(bench.run([2] * 30))
    bench.cache.release(bench.run([5] * 50))
    monkeypatch.setattr(bench.backend, "restore", lambda seq_id, state: False)
    sequence = bench.sequence([2] * 31)
    assert bench.cache.admit(sequence, bench.cache.match(sequence))
    assert (sequence.num_cached, bench.cache.reserved) == (0, 31)
    assert bench.cache.match(bench.sequence([2] * 31, priority=Priority.CRITICAL)).parked is None


@pytest.mark.parametrize("error", [MemoryError, OSError])
def test_a_copy_that_finds_no_memory_is_not_made(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """The worker once ended where the system had no pages for a parked prefix."""

    def save(backend: FakeBackend, seq_id: int) -> object:
        raise error

    monkeypatch.setattr(FakeBackend, "save", save)
    bench = Bench(cells=64)
    bench.cache.release(bench.run([2] * 30))
    bench.cache.release(bench.run([5] * 50))
    assert (bench.cache.used, bench.cache.parked) == (50, 0)
    assert bench.run([2] * 10).num_cached == 0


def test_a_long_parked_prefix_does_not_come_back_for_a_few_tokens() -> None:
    bench = Bench(cells=512)
    bench.cache.release(bench.run([2] * 250))
    bench.run([5] * 500)
    assert bench.cache.match(bench.sequence([2] * 20 + [9])) is NO_MATCH
    assert bench.cache.match(bench.sequence([2] * 40 + [9])).length == 40


def test_while_anything_runs_prefixes_that_nobody_uses_are_parked() -> None:
    bench = Bench()
    bench.cache.release(bench.run([1] * 30))
    assert bench.cache.used == 30
    running = bench.run([2] * 30)
    assert bench.cache.used == 30
    assert bench.cache.match(bench.sequence([1] * 31)).parked is not None
    assert bench.cache.parked == 30
    bench.cache.release(bench.run([3] * 30))
    assert bench.cache.used == 30
    assert bench.cache.parked == 60
    bench.cache.release(running)
    assert bench.cache.match(bench.sequence([2] * 31)).parked is None


def test_a_cache_that_held_much_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.engine.kv_cache.RESIDENT_CELLS", 50)
    bench = Bench()
    bench.cache.release(bench.run([1] * 50))
    assert bench.cache.used == 50
    first, second = bench.run([2] * 30), bench.run([3] * 30)
    bench.cache.release(first)
    bench.cache.release(second)  # its cells lie above those of the first
    assert bench.cache.used == 0
    bench.cache.release(bench.run([4] * 50))
    assert bench.cache.used == 50


def test_a_prefix_that_goes_on_is_not_kept_twice() -> None:
    bench = Bench()
    bench.cache.release(bench.run([1] * 30))
    running = bench.run([1] * 40)
    assert running.num_cached == 30
    assert bench.cache.used == 40
    bench.cache.release(running)
    assert bench.cache.match(bench.sequence([1] * 41)).length == 40


def test_what_a_shared_prefix_had_beyond_is_parked() -> None:
    bench = Bench()
    bench.cache.release(bench.run([1] * 20 + [2] * 20))
    bench.run([1] * 20 + [3] * 5)
    assert bench.cache.used == 25
    assert bench.cache.match(bench.sequence([1] * 20 + [2] * 21)).parked is not None


def test_a_pinned_prompt_outlives_all_others() -> None:
    bench = Bench(cells=128)
    sequence = Sequence(Submit(0, [7] * 20, 1, pin=True), DECODE)
    assert bench.cache.admit(sequence, NO_MATCH)
    bench.compute(sequence, 20)
    bench.cache.release(sequence)
    for number in range(8, 40):
        bench.cache.release(bench.run([number] * 60))
    match = bench.cache.match(bench.sequence([7] * 20 + [1] * 5))
    assert match.parked is not None
    assert match.length == 20
    assert bench.run([7] * 20 + [1] * 5).num_cached == 20


def test_a_prompt_that_was_cut_short_is_not_pinned() -> None:
    bench = Bench(cells=128)
    sequence = Sequence(Submit(0, [7] * 20, 1, pin=True), DECODE)
    assert bench.cache.admit(sequence, NO_MATCH)
    bench.compute(sequence, 12)
    bench.cache.release(sequence)
    bench.cache.release(bench.run([8] * 60))
    bench.cache.release(bench.run([9] * 60))
    assert bench.cache.match(bench.sequence([7] * 21)) is NO_MATCH


# ---- drafts


def drafting(bench: Bench, prompt: list[int], drafts: int) -> Sequence:
    """A sequence with cells for so many tokens behind its own."""
    sequence = bench.run(prompt, max_tokens=20)
    assert sequence.seq_id is not None
    batch = Batch()
    batch.extend([250] * drafts, sequence.num_computed, sequence.seq_id)
    bench.backend.decode(batch, [])
    bench.cache.computed(sequence, drafts)
    return sequence


def test_rejected_drafts_give_back_their_cells_and_keep_their_room() -> None:
    bench = Bench()
    sequence = drafting(bench, TEXT, 8)
    used, reserved = bench.cache.used, bench.cache.reserved
    bench.cache.trim(sequence, 103)
    assert (sequence.num_computed, bench.cache.used) == (103, used - 5)
    assert bench.cache.reserved == reserved + 5
    assert sequence.seq_id is not None
    assert bench.backend.content(sequence.seq_id) == [*TEXT, 250, 250, 250]


def test_trimming_to_what_is_there_changes_nothing() -> None:
    bench = Bench()
    sequence = drafting(bench, TEXT, 3)
    before = bench.cache.used, bench.cache.reserved
    bench.cache.trim(sequence, 103)
    bench.cache.trim(sequence, 110)
    assert (bench.cache.used, bench.cache.reserved, sequence.num_computed) == (*before, 103)


def test_drafts_are_nobody_else_s_and_are_not_kept() -> None:
    bench = Bench()
    sequence = drafting(bench, TEXT, 8)
    assert bench.cache.match(bench.sequence([*TEXT, *[250] * 8, 1])) == Match(sequence.seq_id, 100)
    bench.cache.release(sequence)
    assert bench.cache.match(bench.sequence([*TEXT, *[250] * 8, 1])).length == 100
    assert (bench.cache.used, bench.cache.reserved) == (100, 0)


def test_cells_that_another_sequence_shares_are_never_taken_back() -> None:
    bench = Bench()
    sequence = bench.run(TEXT)
    bench.run([*TEXT[:50], 1])
    with pytest.raises(AssertionError, match="shares"):
        bench.cache.trim(sequence, 40)


@dataclass
class Begin:
    stem: int
    length: int
    tail: list[int]


@dataclass
class Advance:
    """`drafts` guesses behind the last token, of which the first `right` turn out right."""

    which: int
    drafts: int
    right: int


@dataclass
class End:
    which: int


@settings(max_examples=examples(150))
@given(
    st.lists(
        st.one_of(
            st.builds(Begin, st.integers(0, 1), st.integers(0, 40), st.lists(st.integers(0, 2), min_size=1)),
            st.builds(Advance, st.integers(0, 9), st.integers(0, 6), st.integers(0, 6)),
            st.builds(Advance, st.integers(0, 9), st.integers(0, 6), st.integers(0, 6)),
            st.builds(End, st.integers(0, 9)),
        ),
        max_size=60,
    ),
    st.integers(60, 300),
    st.integers(1, 6),
    st.booleans(),
)
def test_with_drafts_the_count_of_cells_is_the_backend_s(
    todo: list[Begin | Advance | End], cells: int, ids: int, reuse: bool
) -> None:
    """Sequences share prefixes, guess, take cells back and end; each has its own tokens at all times."""
    bench, running = Bench(cells, ids, reuse=reuse), []
    for operation in todo:
        if isinstance(operation, Begin):
            prompt = [*range(100 * operation.stem, 100 * operation.stem + operation.length), *operation.tail]
            running += begun(bench, prompt)
        elif running and isinstance(operation, Advance):
            advance(bench, running[operation.which % len(running)], operation)
        elif running:
            bench.cache.release(running.pop(operation.which % len(running)))
        check(bench, running)
    for sequence in running:
        bench.cache.release(sequence)
    assert bench.cache.reserved == 0


def begun(bench: Bench, prompt: list[int]) -> list[Sequence]:
    """The prompt's sequence with all its cells and a token of its answer; none where it does not fit."""
    sequence = bench.sequence(prompt, max_tokens=24)
    if not bench.cache.has_id or not bench.cache.admit(sequence, bench.cache.match(sequence)):
        return []
    sequence.status = Status.PREFILL
    bench.compute(sequence, sequence.prompt_left)
    sequence.tokens.append(201)
    return [sequence]


def advance(bench: Bench, sequence: Sequence, operation: Advance) -> None:
    """As a step does that checks drafts."""
    left = sequence.request.max_tokens - sequence.num_completion
    drafts = min(operation.drafts, left - 1)
    if drafts < 0:
        return
    assert sequence.seq_id is not None
    guesses = [210 + number for number in range(drafts)]
    batch = Batch()
    batch.extend([sequence.tokens[-1], *guesses], sequence.num_computed, sequence.seq_id)
    bench.backend.decode(batch, [])
    bench.cache.computed(sequence, 1 + drafts)
    right = min(operation.right, drafts)
    bench.cache.trim(sequence, sequence.num_computed - drafts + right)
    sequence.tokens += [*guesses[:right], 202]


def check(bench: Bench, running: list[Sequence]) -> None:
    cache, backend = bench.cache, bench.backend
    assert backend.used == cache.used <= cache.total
    assert 0 <= cache.reserved <= cache.total - cache.used
    assert cache.reserved == sum(each.cells_needed - each.num_computed for each in running)
    for sequence in running:
        assert sequence.seq_id is not None
        assert backend.content(sequence.seq_id) == sequence.tokens[: sequence.num_computed]
        assert sequence.num_computed == len(sequence.tokens) - 1
