"""Nobody learns from what the engine does what was asked in another scope."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Answer, Harness
from tests.scale import examples
from xapp.domain.messages import Priority
from xapp.domain.scope import EVERYBODY, of_principal, of_task

PROMPT = [1] * 30
MINE, THEIRS, TASK = of_principal("me"), of_principal("them"), of_task("triage")


def answered(harness: Harness, prompt: list[int], scope: str, **fields: Any) -> Answer:
    answer = harness.submit(prompt, scope=scope, **fields)
    harness.drain()
    return answer


def num_cached(answer: Answer) -> int:
    assert answer.finished is not None
    return answer.finished.num_cached_tokens


@pytest.mark.parametrize(("theirs", "found"), [(THEIRS, 0), (MINE, 29), (EVERYBODY, 0)])
def test_a_prefix_is_found_in_its_own_scope_only(theirs: str, found: int) -> None:
    harness = Harness()
    answered(harness, PROMPT, theirs)
    assert num_cached(answered(harness, PROMPT, MINE)) == found


def test_nobody_shares_with_a_sequence_of_another_scope_that_runs() -> None:
    harness = Harness(max_batch=16)
    mine = [harness.submit(PROMPT, 40, scope=MINE, ignore_eos=True) for _ in range(2)]
    theirs = harness.submit(PROMPT, scope=THEIRS)
    harness.drain()
    assert [num_cached(each) for each in (*mine, theirs)] == [0, 29, 0]


def test_nobody_waits_for_a_prompt_of_another_scope() -> None:
    harness = Harness(max_batch=16)
    harness.submit(PROMPT, scope=THEIRS)
    mine = harness.submit(PROMPT, scope=MINE)
    harness.step()
    assert mine.started is not None


def test_a_longer_prefix_of_another_scope_does_not_stand_for_it() -> None:
    """Else what is no longer found would tell that somebody asked for more."""
    for cells in (512, 80):  # cached in cells, and parked
        harness = Harness(cells=cells)
        answered(harness, PROMPT, MINE)
        answered(harness, [*PROMPT, *PROMPT], THEIRS)
        assert num_cached(answered(harness, PROMPT, MINE)) == 29


@pytest.mark.parametrize(("task_scope", "found"), [(TASK, 30), (of_task("other"), 0), ("", 0)])
def test_what_is_pinned_for_a_task_is_for_its_requests_alone(task_scope: str, found: int) -> None:
    harness = Harness()
    answered(harness, PROMPT, TASK, pin=True, max_tokens=1)
    for scope in (MINE, THEIRS):
        assert num_cached(answered(harness, [*PROMPT, 2, 3], scope, task_scope=task_scope)) == found


def test_what_follows_a_task_s_beginning_is_the_caller_s_own() -> None:
    harness = Harness()
    answered(harness, PROMPT, TASK, pin=True, max_tokens=1)
    secret = [*PROMPT, *range(50, 90)]
    assert num_cached(answered(harness, secret, THEIRS, task_scope=TASK)) == len(PROMPT)
    assert num_cached(answered(harness, secret, MINE, task_scope=TASK)) == len(PROMPT)
    assert num_cached(answered(harness, secret, MINE, task_scope=TASK)) == len(secret) - 1


@dataclass(frozen=True)
class Asked:
    """A request: of how many tokens of each kind, by whom, and after how many steps the next comes."""

    by: str
    runs: tuple[int, ...]
    priority: Priority
    num_steps: int
    choices: bool


asked = st.builds(
    Asked,
    by=st.sampled_from([MINE, THEIRS, THEIRS, TASK]),
    runs=st.lists(st.integers(1, 14), min_size=1, max_size=4).map(tuple),
    priority=st.sampled_from(Priority),
    num_steps=st.integers(0, 4),
    choices=st.booleans(),
)


def what_i_see(requests: list[Asked], secret: int, *, cells: int) -> list[tuple[object, ...]]:
    """All that is told of my requests, times included, where others' prompts are of tokens `secret` on."""
    harness = Harness(slots=2, cells=cells, max_batch=16)
    mine = []
    for each in requests:
        first = secret if each.by == THEIRS else 1
        prompt = [first + index % 2 for index, run in enumerate(each.runs) for _ in range(run)]
        fields: dict[str, Any] = {"scope": each.by, "priority": each.priority, "ignore_eos": True}
        fields["task_scope"] = TASK if each.by == MINE else ""
        if each.by == TASK:
            answer = harness.submit(prompt, 1, pin=True, **{**fields, "priority": Priority.BATCH})
        elif each.choices:
            answer = harness.score(prompt, [[first], [first + 1, first]], **fields)
        else:
            # The answer to another prompt is another one, but it has as many tokens.
            answer = harness.submit(prompt, 1, **fields)
        if each.by == MINE:
            mine.append(answer)
        for _ in range(each.num_steps):
            if harness.engine.has_work:
                harness.step()
    harness.drain()
    return [(each.tokens, each.scores, each.started, each.finished) for each in mine]


@settings(max_examples=examples(150), deadline=None)
@given(requests=st.lists(asked, max_size=12), cells=st.sampled_from([64, 100, 400]))
def test_what_i_see_does_not_depend_on_what_others_ask(requests: list[Asked], cells: int) -> None:
    """They ask for the tokens that I ask for, or for others: slots, cells and time are short."""
    assert what_i_see(requests, 1, cells=cells) == what_i_see(requests, 100, cells=cells)
