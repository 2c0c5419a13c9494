"""A split is the fastest that fits."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.backend.rpc.devices import shares
from xapp.backend.rpc.split import Layer, Place, check_split, fastest_split
from xapp.errors import ConfigError

MB = 1 << 20


def layers(count: int, weights: int = 10 * MB, kv: int = MB) -> list[Layer]:
    return [Layer(weights, kv)] * count


def test_what_fits_stays_here() -> None:
    here, helper = Place("", 200 * MB, 1e10), Place("b:1", 200 * MB, 1e10, hop_s=1e-3)
    assert fastest_split(layers(10), [here, helper]) == [10, 0]


def test_a_helper_takes_what_does_not_fit() -> None:
    here, helper = Place("", 45 * MB, 1e10), Place("b:1", 200 * MB, 1e10, hop_s=1e-3)
    assert fastest_split(layers(10), [here, helper]) == [4, 6]


def test_a_faster_helper_takes_all_that_it_has_room_for() -> None:
    here, helper = Place("", 200 * MB, 1e9), Place("b:1", 80 * MB, 1e12, hop_s=1e-3)
    assert fastest_split(layers(10), [here, helper]) == [3, 7]


def test_a_way_that_costs_more_than_it_gains() -> None:
    here, helper = Place("", 200 * MB, 1e10), Place("b:1", 200 * MB, 2e10, hop_s=1.0)
    assert fastest_split(layers(10), [here, helper]) == [10, 0]


def test_no_room() -> None:
    assert fastest_split(layers(10), [Place("", 50 * MB, 1e10), Place("b:1", 50 * MB, 1e10)]) is None
    assert fastest_split(layers(1), [Place("", -5, 1e10)]) is None


PLACES = st.lists(
    st.tuples(st.integers(-10, 60), st.sampled_from([1.0, 2.0, 7.0]), st.sampled_from([0.0, 3.0, 20.0])),
    min_size=1,
    max_size=3,
)
LAYERS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=6)


@given(LAYERS, PLACES)
def test_no_other_split_that_fits_is_faster(
    sizes: list[tuple[int, int]], given_places: list[tuple[int, float, float]]
) -> None:
    needs = [Layer(*size) for size in sizes]
    places = [Place(str(number), *place) for number, place in enumerate(given_places)]
    all_splits = [
        split for split in product(range(len(needs) + 1), repeat=len(places)) if sum(split) == len(needs)
    ]
    seconds = [cost for split in all_splits if (cost := _seconds(needs, places, split)) is not None]
    found = fastest_split(needs, places)
    if found is None:
        assert not seconds
    else:
        assert _seconds(needs, places, tuple(found)) == pytest.approx(min(seconds))


def _seconds(needs: list[Layer], places: list[Place], split: tuple[int, ...]) -> float | None:
    """Seconds a token; None where a place has no room."""
    total, first = 0.0, 0
    for place, count in zip(places, split, strict=True):
        run = needs[first : first + count]
        if run and sum(layer.bytes for layer in run) > place.room_bytes:
            return None
        total += sum(layer.weight_bytes for layer in run) / place.bytes_per_s + (place.hop_s if run else 0)
        first += count
    return total


@pytest.mark.parametrize(
    ("counts", "text"),
    [((10, 10), "this node and its helpers are 3"), ((10, 10, 5), "25 layers, and the model has 30")],
)
def test_a_given_split_must_fit_the_model(counts: tuple[int, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=f"XAPP_RPC_SPLIT: .*{text}"):
        check_split(counts, 3, 30)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_llama_cpp_puts_as_many_layers_on_each_device(counts: list[int]) -> None:
    """llama.cpp's rule: the first device whose summed share, divided by all, is above the layer's own
    fraction.

    The output counts as one more layer of the last device.
    """
    split, total = shares(counts), sum(counts) + 1
    assert sum(split) == pytest.approx(total)
    ends = [sum(split[: number + 1]) / sum(split) for number in range(len(split))]
    found = [next(i for i, end in enumerate(ends) if end > layer / total) for layer in range(total)]
    assert [found.count(i) for i in range(len(counts))] == [*counts[:-1], counts[-1] + 1]
