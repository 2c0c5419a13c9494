"""Places: counted right, never lost."""

import asyncio
from contextlib import ExitStack
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.errors import DeadlineExceeded, Exhausted, Unavailable
from xapp.service.admission import Admission, FinishRate


async def test_beyond_the_capacity_nobody_comes_in() -> None:
    admission = Admission("tiny", 2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(admission.enter())
        with pytest.raises(Exhausted) as caught, admission.enter():
            raise AssertionError
        assert caught.value.reason == "QUEUE_FULL"
        assert caught.value.retry_after_s == 1.0
        assert "2 requests" in caught.value.message
    with admission.enter():
        assert admission.num_open == 1


async def test_an_error_inside_gives_the_place_back() -> None:
    admission = Admission("tiny", 1)
    with pytest.raises(KeyError), admission.enter():
        raise KeyError
    assert admission.num_open == 0


async def test_a_passed_deadline_takes_no_place() -> None:
    admission = Admission("tiny", 1)
    with pytest.raises(DeadlineExceeded), admission.enter(monotonic() - 0.001):
        raise AssertionError
    with admission.enter(monotonic() + 60):
        assert admission.num_open == 1


async def test_draining_waits_for_those_inside() -> None:
    admission = Admission("tiny", 2)
    with admission.enter():
        admission.drain()
        with pytest.raises(Unavailable) as caught, admission.enter():
            raise AssertionError
        assert caught.value.reason == "DRAINING"
        idle = asyncio.create_task(admission.wait_idle())
        await asyncio.sleep(0)
        assert not idle.done()
    await idle


async def test_an_empty_one_is_idle() -> None:
    await Admission("tiny", 1).wait_idle()


def test_the_rate_is_measured() -> None:
    rate = FinishRate()
    assert rate.seconds_each(0.0) == 1.0
    for at in range(11):
        rate.record(at * 0.5)
    assert rate.seconds_each(5.5) == pytest.approx(0.5)
    assert rate.seconds_each(1000.0) == 1.0


@given(st.lists(st.floats(0, 1000), max_size=300), st.floats(0, 2000))
def test_the_advice_is_always_sensible(finished: list[float], now: float) -> None:
    rate = FinishRate()
    for at in sorted(finished):
        rate.record(at)
    assert 0.1 <= rate.seconds_each(max([now, *finished])) <= 60.0


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_no_place_is_ever_lost(capacity: int, orders: list[tuple[bool, int]]) -> None:
    async def run() -> None:
        admission = Admission("tiny", capacity)
        inside: list[ExitStack] = []
        for come, which in orders:
            if come and len(inside) < capacity:
                inside.append(ExitStack())
                inside[-1].enter_context(admission.enter())
            elif come:
                with pytest.raises(Exhausted), admission.enter():
                    raise AssertionError
            elif inside:
                inside.pop(which % len(inside)).close()
            assert admission.num_open == len(inside)

    asyncio.run(run())
