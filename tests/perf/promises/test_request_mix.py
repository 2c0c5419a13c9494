import pytest

from perf.load.prompt_maker import Prompts
from perf.promises.request_mix import DEADLINES_S, FREE_LIMIT, RequestWriter, Speeds, Wanted, draw, of_kind
from perf.targets.fake_target import FakeTarget
from perf.targets.target import Turn

SPEEDS = Speeds(prompt_token_s=0.01, answer_token_s=0.1)


def written(seed: int = 0) -> RequestWriter:
    return RequestWriter(Prompts(FakeTarget().count_tokens), seed)


def test_the_same_seed_asks_for_the_same() -> None:
    assert draw(1, 50) == draw(1, 50)
    assert draw(1, 50)[:20] == draw(1, 20)
    assert draw(1, 50) != draw(2, 50)


def test_lengths_and_deadlines_are_mixed_within_their_bounds() -> None:
    drawn = draw(0, 400)
    assert {each.free for each in drawn} == {True, False}
    assert all(30 <= each.prompt_tokens <= 400 and 8 <= each.max_tokens <= 96 for each in drawn)
    assert {each.deadline_s for each in drawn} == {None, *DEADLINES_S}
    multiples = [each.multiple for each in drawn if each.multiple is not None]
    assert 1.5 <= min(multiples) < 2
    assert 7 < max(multiples) <= 8
    assert all((each.multiple is None) is not (each.deadline_s is None) for each in drawn)


def test_a_deadline_is_of_its_own_or_in_times_of_the_request_alone() -> None:
    assert Wanted(100, 10, free=False, deadline_s=4.0).due_s(SPEEDS) == 4.0
    assert Wanted(100, 10, free=False, multiple=3.0).due_s(SPEEDS) == pytest.approx(6.0)


def test_one_kind_only() -> None:
    assert {each.free for each in of_kind(3, 30, free=True)} == {True}
    assert len(of_kind(3, 30, free=False)) == 30


async def test_requests_have_texts_of_their_own() -> None:
    wanted = [Wanted(40, 16, free=False, deadline_s=2.0), Wanted(40, FREE_LIMIT, free=True, multiple=2.0)] * 2
    made = [*await written(0).of(wanted, SPEEDS), *await written(1).of(wanted, SPEEDS)]
    assert len({each.input for each in made}) == 8
    assert [each.ignore_eos for each in made[:2]] == [True, False]
    assert made[0].deadline_s == 2.0
    assert isinstance(made[1].input, tuple)
    assert isinstance(made[1].input[0], Turn)


async def test_without_speeds_there_are_no_deadlines() -> None:
    (made,) = await written().of([Wanted(40, 16, free=False, deadline_s=2.0)])
    assert made.deadline_s is None
