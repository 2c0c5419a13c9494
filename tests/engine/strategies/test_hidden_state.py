"""Hidden states: that of the prompt's last token, whatever runs beside it, and no cost to other requests."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.harness import Answer, Harness
from tests.engine.test_engine import STEMS, Cancelled, Steps, Submitted, Tick, perform, prompts
from xapp.domain.messages import FinishReason, Priority


@dataclass(frozen=True)
class Asked:
    prompt: list[int]
    priority: Priority
    deadline: float | None


asked = st.builds(Asked, prompts, st.sampled_from(Priority), st.one_of(st.none(), st.floats(-0.1, 2)))
generated = st.builds(
    Submitted, prompts, st.integers(1, 30), st.sampled_from(Priority), st.booleans(), st.none()
)
others = st.one_of(
    st.builds(Cancelled, st.integers(0, 40)),
    st.builds(Steps, st.integers(1, 4)),
    st.builds(Tick, st.floats(0, 1)),
)


def ask(harness: Harness, prompt: list[int], **fields: object) -> Answer:
    return harness.submit(prompt, 1, hidden_state=True, **fields)


@given(
    st.lists(st.one_of(asked, asked, generated, others), min_size=5, max_size=40),
    st.integers(1, 5),
    st.integers(64, 400),
    st.integers(0, 60),
    st.integers(1, 4),
    st.booleans(),
)
def test_any_interleaving(
    todo: list[Asked | Submitted | Cancelled | Steps | Tick],
    slots: int,
    cells: int,
    spare_batch: int,
    probes: int,
    shares_prefixes: bool,
) -> None:
    harness = Harness(
        slots=slots,
        cells=cells,
        max_batch=slots + spare_batch,
        probes=probes,
        shares_prefixes=shares_prefixes,
    )
    for operation in todo:
        if isinstance(operation, Asked):
            deadline = None if operation.deadline is None else harness.clock.now + operation.deadline
            ask(harness, operation.prompt, priority=operation.priority, deadline=deadline)
        else:
            perform(harness, operation)
    harness.drain()


def test_the_prompt_and_one_more_step() -> None:
    harness = Harness(max_batch=200, budget_ms=1000)
    answer = ask(harness, STEMS[0])
    harness.drain()
    assert answer.reason is FinishReason.STOP
    assert [len(plan.batch) for plan in harness.plans] == [119, 1]
    assert [plan.batch.hidden for plan in harness.plans] == [[], [0]]


def test_the_request_itself_computes_its_last_token_only() -> None:
    harness = Harness(max_batch=200, budget_ms=1000)
    ask(harness, STEMS[0])
    harness.drain()
    answer = harness.submit(STEMS[0], 4)
    harness.drain()
    assert answer.started is not None
    assert answer.started.num_cached_tokens == 119


def test_one_token_is_a_prompt() -> None:
    harness = Harness()
    answer = ask(harness, [7])
    harness.step()
    assert answer.reason is FinishReason.STOP


def test_a_step_says_nothing_of_the_price_of_tokens() -> None:
    """Its time has a decode more than others."""
    harness = Harness(max_batch=200, budget_ms=1000)
    ask(harness, STEMS[0])
    harness.step()
    before = harness.engine._step_time.curve
    harness.backend.stall_s = 5.0
    harness.step()
    assert harness.engine._step_time.curve == before
    harness.drain()
