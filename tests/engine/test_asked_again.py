"""A client that asks again at once finds what it asked before, whatever the tasks' prefixes do meanwhile."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Answer, Harness
from tests.scale import examples
from xapp.domain.messages import FinishReason
from xapp.domain.prefix import MIN_PREFIX

CELLS = 400
ROOM = CELLS // 4
"""Pinned prefixes take as much at most, which leaves as much for the others."""


@dataclass(frozen=True)
class Pin:
    """A prefix to be pinned, and how long it computes undisturbed. It may be cancelled then."""

    token: int
    length: int
    num_steps: int
    cancelled: bool


pins = st.lists(
    st.builds(Pin, st.integers(1, 3), st.integers(1, 3 * ROOM), st.integers(0, 6), st.booleans()), max_size=4
)


def pin_all(harness: Harness, wanted: list[Pin]) -> None:
    for each in wanted:
        answer = harness.submit([each.token] * each.length, 1, pin=True, ignore_eos=True)
        for _ in range(each.num_steps):
            if harness.engine.has_work:
                harness.step()
        if each.cancelled:
            harness.cancel(answer)


def ask(harness: Harness, length: int, *, scored: bool) -> Answer:
    prompt = [1] * length
    answer = harness.score(prompt, [[2, 3, 4], [3, 4]]) if scored else harness.submit(prompt)
    while answer.finished is None:
        harness.step()
    return answer


def num_cached(answer: Answer) -> int:
    assert answer.finished is not None
    assert answer.reason in {FinishReason.STOP, FinishReason.LENGTH}
    return answer.finished.num_cached_tokens


@settings(max_examples=examples(300))
@given(length=st.integers(2 * MIN_PREFIX, ROOM - 4), scored=st.booleans(), before=pins, between=pins)
def test_prefixes_to_be_pinned_displace_nothing_that_a_client_asked_for(
    length: int, scored: bool, before: list[Pin], between: list[Pin]
) -> None:
    harness = Harness(cells=CELLS, max_batch=32)
    pin_all(harness, before)
    ask(harness, length, scored=scored)
    pin_all(harness, between)
    # A parked prefix is restored where it saves as many tokens as MIN_PREFIX.
    assert num_cached(ask(harness, length, scored=scored)) > length - 1 - MIN_PREFIX
    harness.drain()


def test_the_cells_of_a_pinned_prefix_are_free() -> None:
    harness = Harness(cells=CELLS)
    pin_all(harness, [Pin(1, ROOM, 0, cancelled=False), Pin(2, ROOM + 1, 0, cancelled=False)])
    harness.drain()
    assert (harness.cache.used, harness.cache.parked) == (0, ROOM)
