"""The model of step times against nodes that behave: it must follow them, and never stop learning."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.messages import StepCurve
from xapp.engine.step_time import StepTime
from xapp.steps.step_cost import straight_curve

positive = st.floats(1e-5, 10)
CURVE = StepCurve((1, 4, 16, 64), (0.02, 0.07, 0.19, 0.6), (1, 4, 8), (0.03, 0.09, 0.22))


def follow(model: StepTime, factor: float, cell_s: float = 0.0, rounds: int = 400) -> None:
    """A node that takes `factor` times what the curve says, and `cell_s` for each cell."""
    truth = StepTime(CURVE)
    for number in range(rounds):
        decode, prompt = ((3, 13), (1, 15), (4, 0), (0, 64))[number % 4]
        cells = 200.0 * (decode + prompt)
        model.observe(decode, prompt, factor * truth.base(decode, prompt) + cell_s * cells, cells)


@pytest.mark.parametrize("factor", [0.3, 1.0, 3.0])
def test_it_follows_a_node_that_gets_faster_or_slower(factor: float) -> None:
    model = StepTime(CURVE)
    follow(model, factor)
    for decode, prompt in ((3, 13), (4, 0), (0, 64)):
        assert model.predict(decode, prompt) == pytest.approx(
            factor * StepTime(CURVE).predict(decode, prompt), rel=0.1
        )


def test_what_attention_reads_has_a_price_of_its_own() -> None:
    model = StepTime(straight_curve(0.0035, 0.005))
    for _ in range(3):
        for position in range(0, 1500, 20):
            cells = sum(range(position, position + 20))
            model.observe(0, 20, 0.005 + 20 * 0.0035 + cells * 2e-6, cells)
    assert model.cell_s == pytest.approx(2e-6, rel=0.1)


def test_a_node_that_gets_slower_while_an_answer_grows_makes_no_long_context_too_dear() -> None:
    model = StepTime(CURVE)
    for _ in range(3):
        for position in range(60, 180):
            model.observe(1, 0, 0.03 * (1 + position / 60), float(position))
    slowest = 0.03 * (1 + 180 / 60)
    assert model.predict(1, 0, 1000.0) <= 3 * slowest


@pytest.mark.parametrize("noise", [0.1, 0.5, 0.9])
def test_hours_of_noisy_decoding_say_little_of_prompts(noise: float) -> None:
    model, random = StepTime(CURVE), Random(7)
    for _ in range(20_000):
        model.observe(1, 0, 0.03 * random.uniform(1 - noise, 1 + noise), 50.0)
    assert model.predict(0, 64) == pytest.approx(0.6, rel=0.25)


@pytest.mark.parametrize("noise", [0.1, 0.5, 0.9])
def test_no_size_drifts_while_others_run_for_hours(noise: float) -> None:
    model, random = StepTime(CURVE), Random(7)
    for number in range(8_000):
        decode, prompt = ((1, 0), (4, 0), (0, 16), (3, 13))[number % 4]
        took = StepTime(CURVE).predict(decode, prompt)
        model.observe(decode, prompt, took * random.uniform(1 - noise, 1 + noise), 50.0)
    for decode, prompt in ((8, 0), (0, 64), (0, 1), (7, 40)):
        assert model.predict(decode, prompt) == pytest.approx(
            StepTime(CURVE).predict(decode, prompt), rel=0.3
        )


steps = st.tuples(st.integers(0, 8), st.integers(0, 64), st.floats(1e-3, 10), st.floats(0, 1e4)).filter(
    lambda step: step[0] + step[1] > 0
)


@given(st.lists(steps, max_size=100), steps, st.randoms(use_true_random=False), st.floats(0, 0.5))
def test_whatever_was_seen_it_finds_what_a_step_really_takes(
    before: list[tuple[int, int, float, float]],
    step: tuple[int, int, float, float],
    random: Random,
    noise: float,
) -> None:
    model = StepTime(CURVE)
    for decode, prompt, seconds, cells in before:
        model.observe(decode, prompt, seconds, cells)
    decode, prompt, seconds, cells = step
    for _ in range(400):
        model.observe(decode, prompt, seconds * random.uniform(1 - noise, 1 + noise), cells)
    assert seconds / 1.6 <= model.predict(decode, prompt, cells) <= seconds * 1.6


def test_a_size_that_takes_longer_than_was_measured_is_learned() -> None:
    model = StepTime(CURVE)
    for _ in range(100):
        model.observe(0, 64, 1.2)
        model.observe(4, 0, 0.09)
        model.observe(0, 16, 0.19)
    assert model.predict(0, 64) == pytest.approx(1.2, rel=0.15)
    assert model.predict(0, 16) == pytest.approx(0.19, rel=0.15)


def test_a_size_far_from_every_other_becomes_a_point() -> None:
    model = StepTime(straight_curve(0.005))
    model.observe(0, 200, 1.0)
    assert 200 in model.curve.rows
    assert len(model.curve.rows) == len(model.curve.row_s)


def test_one_hiccup_counts_as_a_few_times_its_prediction() -> None:
    model = StepTime(CURVE)
    follow(model, 1.0)
    before = model.predict(3, 13)
    model.observe(3, 13, 60.0)
    assert model.predict(3, 13) < 1.5 * before


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 64), positive, st.floats(0, 1e5)), max_size=50))
def test_whatever_was_seen_predictions_are_numbers_above_zero(
    steps: list[tuple[int, int, float, float]],
) -> None:
    model = StepTime(CURVE)
    for decode, prompt, seconds, cells in steps:
        if decode + prompt:
            model.observe(decode, prompt, seconds, cells)
    for decode, prompt in ((1, 0), (8, 0), (0, 512), (3, 13)):
        assert 0 < model.predict(decode, prompt) < 1e9


def test_a_new_measurement_takes_the_place_of_what_was_learned() -> None:
    model = StepTime(straight_curve(0.1))
    model.observe(0, 16, 5.0)
    model.replace_curve(CURVE)
    assert model.curve == CURVE
    assert model.scale == 1.0


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_step_in_two_parts_teaches_both(factor: float) -> None:
    model, truth = StepTime(CURVE, apart_from=64), StepTime(CURVE, apart_from=64)
    for _ in range(400):
        model.observe(4, 60, factor * truth.base(4, 60))
    assert model.predict(4, 60) == pytest.approx(factor * truth.predict(4, 60), rel=0.05)
    for decode, prompt in ((4, 0), (0, 60)):
        assert model.predict(decode, prompt) == pytest.approx(factor * truth.predict(decode, prompt), rel=0.1)


def test_a_new_curve_keeps_what_is_computed_apart() -> None:
    model = StepTime(CURVE, apart_from=64)
    model.replace_curve(CURVE)
    assert model.is_apart(4, 60)
