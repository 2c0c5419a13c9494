"""Lengths keep to what was written."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.load.token_lengths import Fixed, Lognormal, Uniform, parse


def test_the_three_ways_of_writing() -> None:
    assert parse("64") == Fixed(64)
    assert parse("uniform:32-256") == Uniform(32, 256)
    assert parse("lognormal:120,0.8") == Lognormal(120, 0.8, 960)
    assert parse("lognormal:120,0.8,512", 16) == Lognormal(120, 0.8, 512, 16)


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 2**32))
def test_uniform_stays_inside(low: int, more: int, seed: int) -> None:
    draw = random.Random(seed)
    found = [parse(f"uniform:{low}-{low + more}").draw(draw) for _ in range(50)]
    assert low <= min(found) <= max(found) <= low + more


@given(st.integers(16, 500), st.floats(0, 4), st.integers(0, 2**32))
def test_lognormal_is_cut_on_both_sides(median: int, sigma: float, seed: int) -> None:
    draw = random.Random(seed)
    found = [parse(f"lognormal:{median},{sigma:.3f},600", 16).draw(draw) for _ in range(50)]
    assert 16 <= min(found) <= max(found) <= 600


def test_the_median_is_the_median() -> None:
    draw = random.Random(7)
    found = [parse("lognormal:120,0.8").draw(draw) for _ in range(20_000)]
    assert statistics.median(found) == pytest.approx(120, rel=0.05)


@pytest.mark.parametrize(
    "text",
    ["", "0", "-3", "many", "uniform:9-3", "uniform:3", "lognormal:120", "lognormal:0,1", "lognormal:9,5"],
)
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"length|tokens|empty|median"):
        parse(text)


@pytest.mark.parametrize("text", ["15", "uniform:15-40", "lognormal:20,1,15"])
def test_too_short_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not in 16 to"):
        parse(text, 16)
