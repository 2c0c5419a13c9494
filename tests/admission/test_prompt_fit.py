"""The linear model: it finds what counts tell, and stays finite whatever they are."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale import examples
from xapp.admission.prompt_fit import PromptFit, solved

COUNT = st.floats(-1e3, 1e3, allow_nan=False)
ROW = st.tuples(COUNT, COUNT, COUNT)


def learned(rows: list[tuple[list[float], float]], num_counts: int) -> PromptFit:
    fit = PromptFit(num_counts)
    for counts, number in rows:
        fit.learn(counts, number)
    return fit


def test_before_anything_is_known_the_number_is_0() -> None:
    assert PromptFit(3).predict([1.0, 2.0, 3.0]) == 0


def test_it_finds_a_linear_relation_among_noise() -> None:
    draw = random.Random(1)
    rows = []
    for _ in range(200):
        counts = [draw.uniform(0, 10), draw.uniform(0, 0.1), draw.uniform(-5, 5)]
        rows.append((counts, 3 + counts[0] - 20 * counts[1]))
    fit = learned(rows, 3)
    for counts, number in rows[:20]:
        assert abs(fit.predict(counts) - number) < 0.5


def test_old_answers_fade() -> None:
    rising = [([float(each % 10)], float(each % 10)) for each in range(300)]
    falling = [([float(each % 10)], 10.0 - each % 10) for each in range(300)]
    fit = learned(rising + falling, 1)
    assert fit.predict([9.0]) < 2 < 8 < fit.predict([0.0])


@given(st.lists(st.tuples(ROW, st.floats(0, 20)), max_size=40), ROW)
@settings(max_examples=examples(100))
def test_no_counts_make_it_fail(
    rows: list[tuple[tuple[float, ...], float]], asked: tuple[float, ...]
) -> None:
    """Counts that are all alike or follow from each other as well."""
    doubled = [([*counts, counts[0]], number) for counts, number in rows]
    assert math.isfinite(learned(doubled, 4).predict([*asked, asked[0]]))


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_equations_are_solved(one: float, other: float) -> None:
    found = solved([[4.0, 1.0, 4 * one + other], [1.0, 3.0, one + 3 * other]])
    assert math.isclose(found[0], one, abs_tol=1e-9)
    assert math.isclose(found[1], other, abs_tol=1e-9)
