"""What the signals make of the samples, and which questions count."""

import math

import pytest

from perf.record.sample_rows import encode
from perf.routing.compare_signals import compare, is_training
from perf.routing.routing_figures import best, figures
from perf.routing.routing_samples import Probed, Role, decode
from perf.routing.signal_values import SIGNALS, items_of
from tests.perf.routing.making import answered, samples, some


def test_signals_are_greater_where_the_little_model_is_unsure() -> None:
    (sure,) = items_of(samples(1, little=True, big=True))
    (unsure,) = items_of(samples(2, little=False, big=True))
    for name in ("mean_token", "least_token", "first_token", "first_entropy", "difficulty", "rating"):
        low, high = SIGNALS[name](sure), SIGNALS[name](unsure)
        assert low is not None
        assert high is not None
        assert 0 <= low < high <= 1, name
    assert SIGNALS["who_answers"](sure) is None


def test_the_probability_of_tokens_is_what_the_served_signal_computes() -> None:
    (item,) = items_of(samples(1, little=True, big=True))
    assert SIGNALS["mean_token"](item) == pytest.approx(1 - math.exp((-0.1 - 0.05) / 2))
    assert SIGNALS["least_token"](item) == pytest.approx(1 - math.exp(-0.1))


def test_only_questions_that_both_answered_count() -> None:
    alone = answered(Role.LITTLE, "q1", is_right=True)
    assert items_of([alone, Probed("q1", "difficulty", [-1.0, -1.0], 0.1)]) == []


def test_samples_survive_their_rows() -> None:
    for sample in samples(1, little=True, big=False):
        assert decode(encode(sample)) == sample


def test_training_and_held_out_do_not_mix() -> None:
    items = some()
    compared = compare(items, {item.id: f"question {item.id}" for item in items}, "sha256:aa")
    held_out = {item.id for item in compared.held_out}
    assert held_out
    assert held_out < {item.id for item in items}
    assert not any(map(is_training, held_out))
    assert all(item.id in held_out for signal in compared.signals for item in signal.items)
    assert not any(item.id in held_out for signal in compared.training for item in signal.items)
    assert compared.classifier is not None
    assert compared.classifier.model_digest == "sha256:aa"


def test_the_figures_tell_a_good_signal_from_none() -> None:
    items = some(150)
    compared = compare(items, {item.id: "the same question" for item in items}, "sha256:aa")
    found = {(each.group, each.name): each for each in figures(compared.held_out, compared.signals)}
    good = found["least_token", "apgr_over_random"]
    assert good.low is not None
    assert good.low > 0
    oracle, blind = found["oracle", "apgr_over_random"], found["random", "apgr_over_random"]
    assert oracle.value is not None
    assert good.value is not None
    assert oracle.value >= good.value
    assert blind.low is not None
    assert blind.high is not None
    assert blind.low < 0 < blind.high
    assert found["classifier", "apgr_over_random"].value == pytest.approx(0)
    assert found["little", "accuracy"].value < found["big", "accuracy"].value  # type: ignore[operator]
    chosen = best(compared.training)
    assert chosen is not None
    assert chosen.name in SIGNALS
