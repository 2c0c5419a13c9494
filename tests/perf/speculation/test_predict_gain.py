import pytest

from perf.speculation.predict_gain import bound_curve, measured_curve, predicted_speedup

PASSAGE = list(range(100, 160))
BOUND_BY_MEMORY = bound_curve(decode_rate=10, prefill_rate=10_000)
BOUND_BY_COMPUTE = bound_curve(decode_rate=10, prefill_rate=10)


def test_a_copied_passage_gains_as_much_as_rows_are_cheap() -> None:
    copied = predicted_speedup(PASSAGE, PASSAGE, BOUND_BY_MEMORY)
    assert copied > 6
    assert predicted_speedup(PASSAGE, PASSAGE, measured_curve({1: 0.1, 2: 0.14, 16: 0.6})) < copied
    assert predicted_speedup(PASSAGE, PASSAGE, BOUND_BY_COMPUTE) == pytest.approx(1.0)


def test_an_answer_that_repeats_nothing_gains_and_loses_nothing() -> None:
    assert predicted_speedup(PASSAGE, list(range(500, 560)), BOUND_BY_MEMORY) == 1.0


def test_an_answer_of_one_token_has_no_step() -> None:
    assert predicted_speedup(PASSAGE, [1], BOUND_BY_MEMORY) == 1.0
