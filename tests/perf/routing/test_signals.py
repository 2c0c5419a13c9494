"""What the signals make of the samples, and which questions count."""

import math
import random
from array import array
from collections.abc import Callable, Sequence

import msgspec
import pytest

from perf.record.sample_rows import encode
from perf.routing.compare_signals import compare, is_training
from perf.routing.cost_quality import apgr
from perf.routing.out_of_fold import out_of_fold
from perf.routing.routing_figures import Signal, best, figures
from perf.routing.routing_samples import Probed, Role, decode
from perf.routing.signal_values import SIGNALS, items_of
from tests.perf.routing.making import STATE_SIZE, answered, samples, some


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


def test_a_probe_of_the_hidden_state_finds_the_number_that_tells() -> None:
    items = some(150)
    compared = compare(items, {item.id: "the same question" for item in items}, "sha256:aa")
    assert compared.probe is not None
    assert compared.probe.model_digest == "sha256:aa"
    assert len(compared.probe.weights) == STATE_SIZE
    found = {(each.group, each.name): each for each in figures(compared.held_out, compared.signals)}
    low = found["hidden_state", "apgr_over_random"].low
    assert low is not None
    assert low > 0
    assert found["hidden_state", "seconds"].value == pytest.approx(0.2)


def test_a_probe_that_learned_nothing_does_not_look_good_on_its_training() -> None:
    """It has more numbers than there are questions, so that it fits any answers."""
    items = some(150)
    for item in items:
        assert item.stated is not None
        noise = random.Random(item.id)
        state = array("f", [noise.gauss(0, 1) for _ in range(STATE_SIZE)]).tobytes()
        item.stated = msgspec.structs.replace(item.stated, state=state)
    compared = compare(items, {item.id: "the same question" for item in items}, "sha256:aa")
    on_training = {signal.name: signal for signal in compared.training}
    learned = on_training["hidden_state"]
    assert apgr(learned.values, learned.gains) < apgr(*_both(on_training["least_token"])) - 0.1
    chosen = best(compared.training)
    assert chosen is not None
    assert chosen.name != "hidden_state"


def _both(signal: Signal) -> tuple[Sequence[float], Sequence[int]]:
    return signal.values, signal.gains


def test_each_fold_is_predicted_by_the_others() -> None:
    def fit(seen: Sequence[int]) -> Callable[[int], float]:
        return lambda item: float(item in seen)

    assert out_of_fold(list(range(12)), fit) == [0.0] * 12
    assert out_of_fold([1, 2], lambda _: None) == [None, None]
