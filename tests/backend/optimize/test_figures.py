import math
from pathlib import Path

import pytest

from xapp.backend.optimize.figures import Loss, Measured, best, changes, loss
from xapp.backend.optimize.jobs import Guesses, Speeds
from xapp.rotation import rotated


def speeds(factor: float = 1.0) -> Speeds:
    return Speeds(100 * factor, {1: 10 * factor, 4: 30 * factor, 8: 40 * factor}, 1000)


def measured(name: str, factor: float = 1.0, worse: float = 0.0, margin: float = 0.0) -> Measured:
    return Measured(name, Path(name), 1, [speeds(factor)], Loss(10.0, worse, margin, 1.0))


def test_loss_is_the_rise_of_perplexity() -> None:
    found = loss(Guesses([1.1, 2.1, 3.1], [1, 2, 9]), Guesses([1.0, 2.0, 3.0], [1, 2, 3]))
    assert found.worse == pytest.approx(0.10517, abs=1e-5)
    assert found.margin == pytest.approx(0.0, abs=1e-9)
    assert found.agreement == pytest.approx(2 / 3)
    assert found.perplexity == pytest.approx(8.166, abs=1e-3)


def test_the_margin_is_what_the_tokens_disagree_about() -> None:
    even = loss(Guesses([1.0, 1.2] * 50, [0] * 100), Guesses([1.0, 1.0] * 50, [0] * 100))
    longer = loss(Guesses([1.0, 1.2] * 200, [0] * 400), Guesses([1.0, 1.0] * 200, [0] * 400))
    assert even.margin == pytest.approx(2 * longer.margin, rel=0.02)
    assert even.at_most == even.worse + even.margin


def test_nothing_is_lost_against_itself() -> None:
    guesses = Guesses([1.0, 2.5], [1, 2])
    found = loss(guesses, guesses)
    assert (found.worse, found.margin, found.agreement) == (0.0, 0.0, 1.0)
    assert found.perplexity == pytest.approx(5.7546, abs=1e-3)


def test_a_ruined_format_has_a_loss_all_the_same() -> None:
    found = loss(Guesses([1e4, 3e4], [1, 2]), Guesses([1.0, 2.5], [1, 2]))
    assert math.isfinite(found.at_most)
    assert found.worse > 1e100


def test_rounds_count_by_their_median() -> None:
    found = Measured("Q8_0", Path("x"), 1, [speeds(1), speeds(5), speeds(2)])
    assert (found.prefill, found.decode(4), found.peak_bytes) == (200, 60, 1000)
    assert found.typical_s == pytest.approx(4 * 256 / 200 + 4 * 64 / 60)


def test_the_fastest_within_the_limit_is_the_best() -> None:
    source = measured("source")
    others = [measured("a", 1.5, 0.001), measured("b", 2.0, 0.001), measured("c", 3.0, 0.05)]
    found = best(source, others, 0.01)
    assert found is others[1]


@pytest.mark.parametrize(
    "other",
    [
        measured("slower", 0.9),
        measured("within the noise", 1.04),
        measured("lossy", 2.0, worse=0.02),
        measured("perhaps lossy", 2.0, worse=0.005, margin=0.02),
        Measured("broken", Path("x"), 1, [speeds(2)], Loss(1.0, 0.0, 0.0, 1.0), fault="lost"),
        Measured("not timed", Path("x"), 1, [], Loss(1.0, 0.0, 0.0, 1.0)),
    ],
    ids=lambda each: each.format,
)
def test_the_source_stays(other: Measured) -> None:
    assert best(measured("source"), [other], 0.01) is None


def test_every_format_is_first_in_turn() -> None:
    items = [measured(name) for name in "abc"]
    assert [[each.format for each in rotated(items, number)] for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def answering(right: list[bool]) -> Measured:
    found = measured("q", 2.0)
    found.right = right
    return found


def test_fewer_right_answers_count_when_they_are_no_chance() -> None:
    source = measured("source")
    source.right = [True] * 20 + [False] * 20
    assert changes(answering([True] * 19 + [False] * 20 + [True]), source) == (1, 1)
    assert best(source, [answering([True] * 18 + [False] * 22)], 0.01) is not None
    assert best(source, [answering([True] * 10 + [False] * 30)], 0.01) is None


def test_rounds_that_differ_are_told_by_the_worst_of_them() -> None:
    found = measured("q")
    assert found.unsteadiness == 0
    found.rounds.append(speeds(0.5))
    assert found.unsteadiness == 0.5
