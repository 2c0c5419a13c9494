"""Verification: the model's own tokens at the places of drafts, whatever runs beside it."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.harness import Answer, Harness, rule
from tests.engine.test_engine import Cancelled, Steps, Submitted, Tick, perform, prompts
from xapp.backend.fake_rule import END_TOKEN
from xapp.domain.messages import END_OF_ANSWER, Drafts, FinishReason, Priority
from xapp.engine.strategies.verify import Verify

PROMPT = list(range(40))


def continuation(prompt: list[int], count: int) -> list[int]:
    """The model's own next tokens, its end included as a token."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(rule(tokens))
    return tokens[len(prompt) :]


def verify(harness: Harness, prompt: list[int], drafts: list[int], **fields: object) -> Answer:
    exact = bool(fields.pop("exact", True))
    return harness.submit(prompt, 1, verify=Drafts(drafts, exact), **fields)


@dataclass(frozen=True)
class Verified:
    prompt: list[int]
    num_right: int
    wrong: list[int]
    exact: bool
    priority: Priority


verified = st.builds(
    Verified,
    prompts,
    st.integers(0, 12),
    st.lists(st.integers(0, 255), max_size=12),
    st.booleans(),
    st.sampled_from(Priority),
)
generated = st.builds(
    Submitted, prompts, st.integers(1, 30), st.sampled_from(Priority), st.booleans(), st.none()
)
others = st.one_of(
    st.builds(Cancelled, st.integers(0, 40)),
    st.builds(Steps, st.integers(1, 4)),
    st.builds(Tick, st.floats(0, 1)),
)


@given(
    st.lists(st.one_of(verified, verified, generated, others), min_size=5, max_size=40),
    st.integers(1, 5),
    st.integers(0, 5),
    st.integers(64, 400),
    st.integers(0, 60),
    st.integers(1, 20),
    st.booleans(),
)
def test_any_interleaving(
    todo: list[Verified | Submitted | Cancelled | Steps | Tick],
    slots: int,
    spare_ids: int,
    cells: int,
    spare_batch: int,
    probes: int,
    prefix_cache: bool,
) -> None:
    harness = Harness(
        slots=slots,
        num_sequences=slots + spare_ids,
        cells=cells,
        max_batch=slots + spare_batch,
        probes=probes,
        prefix_cache=prefix_cache,
    )
    for operation in todo:
        if isinstance(operation, Verified):
            drafts = continuation(operation.prompt, operation.num_right) + operation.wrong
            verify(harness, operation.prompt, drafts, exact=operation.exact, priority=operation.priority)
        else:
            perform(harness, operation)
    harness.drain()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_all_drafts_are_right(count: int) -> None:
    harness = Harness()
    answer = verify(harness, PROMPT, continuation(PROMPT, count), ignore_eos=True)
    harness.drain()
    assert answer.drawn == continuation(PROMPT, count + 1)


def test_the_end_of_the_answer_is_one_token() -> None:
    prompt = next(p for p in ([*PROMPT, each] for each in range(200)) if rule(p) == END_TOKEN)
    harness = Harness()
    answer, ignored = verify(harness, prompt, [7]), verify(harness, prompt, [7], ignore_eos=True)
    harness.drain()
    assert answer.drawn == [END_OF_ANSWER]
    assert ignored.drawn == [END_TOKEN]


@pytest.mark.parametrize("exact", [True, False])
def test_the_next_verification_computes_its_new_tokens_only(exact: bool) -> None:
    harness = Harness()
    right = continuation(PROMPT, 9)
    verify(harness, PROMPT, right[:4], exact=exact)
    harness.drain()
    batches = len(harness.backend.batches)
    again = verify(harness, PROMPT + right[:5], right[5:8], exact=exact)
    harness.drain()
    assert harness.backend.batches[batches:] == [1 + 3]
    assert again.started is not None
    assert again.started.num_cached_tokens == len(PROMPT) + 4


def test_the_cells_of_wrong_drafts_are_free_again() -> None:
    harness = Harness()
    verify(harness, PROMPT, [*continuation(PROMPT, 2), 300, 301, 302])
    harness.drain()
    assert harness.cache.used == len(PROMPT) + 2


def test_verifications_of_many_sessions_share_a_step() -> None:
    harness = Harness(slots=4, probes=64)
    for seed in range(4):
        prompt = [seed, *PROMPT]
        verify(harness, prompt, [])
    harness.drain()
    before = len(harness.backend.batches)
    for seed in range(4):
        prompt = [seed, *PROMPT]
        verify(harness, prompt, continuation(prompt, 3), ignore_eos=True)
    harness.drain()
    assert harness.backend.batches[before:] == [4 * (1 + 3)]


def test_more_drafts_than_outputs_of_a_step_take_more_steps() -> None:
    harness = Harness(probes=4)
    answer = verify(harness, PROMPT, continuation(PROMPT, 9), ignore_eos=True)
    harness.drain()
    assert answer.drawn == continuation(PROMPT, 10)
    assert [len(plan.batch.outputs) for plan in harness.plans if len(plan.batch)][-3:] == [4, 4, 2]


def test_a_preempted_verification_keeps_its_results() -> None:
    harness = Harness(slots=1, cells=80, probes=2)
    answer = verify(harness, PROMPT, continuation(PROMPT, 9), ignore_eos=True, priority=Priority.BATCH)
    while not (answer.drawn or (harness.scheduler.queues.running and _num_known(harness) >= 3)):
        harness.step()
    harness.submit(list(range(100, 150)), 20, priority=Priority.CRITICAL)
    harness.drain()
    assert answer.drawn == continuation(PROMPT, 10)
    assert harness.engine.stats().total_evictions == 1


def _num_known(harness: Harness) -> int:
    strategy = harness.scheduler.queues.running[0].strategy
    assert isinstance(strategy, Verify)
    return len(strategy._drawn)


def test_drafts_beyond_the_cells_end_with_length() -> None:
    harness = Harness(cells=64)
    answer = verify(harness, PROMPT, list(range(30)))
    harness.drain()
    assert answer.reason is FinishReason.LENGTH


def test_doubtful_places_are_reported() -> None:
    harness = Harness()
    sure = harness.submit(PROMPT, 20, ignore_eos=True, doubt_below=1e-12)
    unsure = harness.submit(PROMPT, 20, ignore_eos=True, doubt_below=1.0)
    harness.drain()
    assert sure.doubts == []
    assert unsure.doubts == list(range(20))
