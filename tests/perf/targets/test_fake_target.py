"""The fake's times are known beforehand."""

import asyncio

import pytest

from perf.targets.fake_target import Behaviour, FakeTarget
from perf.targets.target import CompletionRequest, TargetError
from perf.targets.virtual_time import Deadlock
from tests.perf.virtual import run


def test_prefill_then_decode() -> None:
    answer = run(
        FakeTarget(Behaviour(prefill_token_s=0.5, decode_token_s=0.1)).complete(
            CompletionRequest("one two", 3)
        )
    )
    assert answer.time_to_first_token_s == pytest.approx(1.1)
    assert answer.end_s == pytest.approx(1.3)
    assert answer.text == "all cells of"


def test_a_second_request_waits_for_the_only_slot() -> None:
    async def both() -> list[float]:
        target = FakeTarget(Behaviour(num_slots=1, decode_token_s=1.0))
        answers = await asyncio.gather(*(target.complete(CompletionRequest("Hi", 2)) for _ in range(2)))
        return [answer.end_s for answer in answers]

    assert run(both()) == pytest.approx([2.0, 4.0])


def test_a_stall_holds_back_what_would_come_in_it() -> None:
    behaviour = Behaviour(decode_token_s=1.0, stalls=[(1.5, 10.0)])
    times = [
        arrival.at for arrival in run(FakeTarget(behaviour).complete(CompletionRequest("Hi", 3))).arrivals
    ]
    assert times == pytest.approx([1.0, 10.0, 11.0])


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (Behaviour(num_slots=0, queue=0), "refused"),
        (Behaviour(max_prompt_tokens=1), "invalid"),
        (Behaviour(lost_at=0.0), "unreachable"),
        (Behaviour(lost_at=0.015), "lost"),
    ],
)
def test_it_fails_as_told(behaviour: Behaviour, code: str) -> None:
    with pytest.raises(TargetError) as caught:
        run(FakeTarget(behaviour).complete(CompletionRequest("one two", 3)))
    assert caught.value.code == code


def test_the_deadline() -> None:
    with pytest.raises(TargetError) as caught:
        run(FakeTarget(Behaviour(decode_token_s=1.0)).complete(CompletionRequest("Hi", 3, deadline_s=2.5)))
    assert caught.value.code == "deadline"


def test_virtual_time_says_when_nothing_can_happen() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    # The runner cancels what is left on its way out, which the loop can still do.
    with pytest.raises(Deadlock):
        run(stuck())
