"""The model of step times against nodes that behave: it must learn them, and never stop learning."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xapp.engine.step_time import MIN_CHUNK, StepTime

BUDGET = 0.1
positive = st.floats(1e-5, 10)


def truth(num_decode: int, num_prefill: int) -> float:
    """A node like the reference one, in seconds."""
    return (0.008 + 0.005 * num_decode if num_decode else 0.0) + 0.0035 * num_prefill


def chunk_of(model: StepTime, num_decode: int) -> int:
    """As the scheduler has it."""
    return max(MIN_CHUNK, model.fitting(BUDGET - model.predict(num_decode, 0)))


def learned(rounds: int = 100, num_decode: int = 3) -> StepTime:
    model = StepTime(0.005, 0.013)
    for _ in range(rounds):
        model.observe(num_decode, 0, truth(num_decode, 0))
        chunk = chunk_of(model, num_decode)
        model.observe(num_decode, chunk, truth(num_decode, chunk))
    return model


def test_it_learns_what_a_step_costs() -> None:
    model = learned()
    assert model.predict(3, 20) == pytest.approx(truth(3, 20), rel=0.02)
    assert model.per_prompt_token == pytest.approx(0.0035, rel=0.05)


def test_a_chunk_fills_the_budget() -> None:
    chunk = chunk_of(learned(), 3)
    assert truth(3, chunk) <= BUDGET * 1.02
    assert truth(3, chunk + 2) > BUDGET


def test_numbers_of_sequences_never_seen_are_predicted_from_those_seen() -> None:
    model = learned(num_decode=3)
    for num_decode in (1, 4, 8):
        assert model.predict(num_decode, 0) == pytest.approx(truth(num_decode, 0), rel=0.25)


def test_before_anything_is_known_the_guess_counts() -> None:
    assert StepTime(0.005).fitting(BUDGET) == 20


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 64), positive), max_size=50))
def test_a_chunk_is_always_possible_and_within_the_budget(steps: list[tuple[int, int, float]]) -> None:
    model = StepTime()
    for num_decode, num_prefill, seconds in steps:
        model.observe(num_decode, num_prefill, seconds)
        chunk = chunk_of(model, num_decode)
        assert chunk >= MIN_CHUNK
        assert chunk == MIN_CHUNK or model.predict(num_decode, chunk) <= BUDGET * (1 + 1e-9)


def test_one_hiccup_does_not_starve_prefill() -> None:
    model = learned()
    before = chunk_of(model, 3)
    model.observe(3, before, 60.0)
    assert chunk_of(model, 3) > before / 2


def test_a_measurement_of_nothing_is_not_believed_for_ever() -> None:
    model = StepTime()
    model.observe(3, 0, 0.0)
    for _ in range(100):
        model.observe(3, 0, 0.023)
    assert model.predict(3, 0) == pytest.approx(0.023, rel=0.01)


def test_a_hiccup_in_the_first_decode_does_not_ruin_the_price_of_prompts() -> None:
    model = StepTime(0.0035)
    model.observe(3, 0, 2.0)
    for _ in range(200):
        chunk = chunk_of(model, 3)
        model.observe(3, chunk, truth(3, chunk))
    assert chunk_of(model, 3) > MIN_CHUNK
    assert model.predict(3, 20) == pytest.approx(truth(3, 20), rel=0.25)


@settings(max_examples=50, deadline=None)
@given(positive, positive, st.integers(1, 8))
def test_whatever_it_believed_it_comes_back_to_the_truth(decode: float, price: float, num: int) -> None:
    model = StepTime(price)
    model.observe(num, 0, decode)
    for _ in range(300):
        chunk = min(chunk_of(model, num), 512)
        model.observe(num, chunk, truth(num, chunk))
    chunk = min(chunk_of(model, num), 512)
    assert truth(num, chunk) <= BUDGET * 1.1
    assert truth(num, chunk) >= BUDGET * 0.8 or chunk == 512


def test_what_attention_reads_has_a_price_of_its_own() -> None:
    """A prompt's end costs more than its start: 3.5 ms a token, and 2 µs for each token before it."""
    model = StepTime(0.005)
    for _ in range(3):
        for position in range(0, 1500, 20):
            cells = sum(range(position, position + 20))
            model.observe(0, 20, 0.005 + 20 * 0.0035 + cells * 2e-6, cells)
    prices = model.prices
    assert prices.cell_s == pytest.approx(2e-6, rel=0.1)
    assert 20 * prices.prompt_token_s + prices.step_s == pytest.approx(0.075, rel=0.05)
    assert model.fitting(BUDGET, position=1500) < model.fitting(BUDGET, position=0)
    assert model.fitting(-1.0) == 0


def test_it_starts_from_what_was_measured_at_the_load() -> None:
    model = StepTime(0.004, 0.009)
    assert model.predict(1, 0) == pytest.approx(0.009)
    assert model.predict(1, 10) == pytest.approx(0.049)
    assert StepTime(0.004).predict(1, 0) == pytest.approx(0.004)
