"""How wrong predictions were: what was learned ages, with time and with the prices it was learned at."""

import pytest

from tests.engine.harness import Clock
from xapp.admission.residuals import FORGET_S, FRESH_S, GUESSES, HALF_LIFE_S, Key, Residuals

KEY = Key("promise")


class Learned:
    """Requests took eight times what was predicted, at a price of 1."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.price = 1.0
        self.residuals = Residuals(self.clock, lambda: self.price)
        for _ in range(8):
            self.residuals.record(KEY, 1.0, 8.0)

    @property
    def factor(self) -> float:
        return self.residuals.factor(KEY, 0.5)


def test_it_counts_in_full_while_it_is_fresh_and_prices_are_alike() -> None:
    learned = Learned()
    learned.clock.now += FRESH_S
    learned.price = 1.4
    assert learned.factor == pytest.approx(8.0)


def test_with_time_it_shrinks_to_what_is_taken_where_nothing_is_known() -> None:
    learned = Learned()
    factors: list[float] = []
    for _ in range(3):
        learned.clock.now += HALF_LIFE_S + (0 if factors else FRESH_S)
        factors.append(learned.factor)
    assert factors == pytest.approx([8**0.5, 8**0.25, 8**0.125])
    learned.clock.now += FORGET_S
    assert learned.factor == GUESSES[0.5]


@pytest.mark.parametrize("price", [4.0, 0.25])
def test_at_other_prices_it_shrinks(price: float) -> None:
    learned = Learned()
    learned.price = price
    assert learned.factor == pytest.approx(8 ** (3 / 8))


def test_doubt_halves_what_was_seen_and_not_what_comes() -> None:
    learned = Learned()
    learned.residuals.doubt(KEY)
    assert learned.factor == pytest.approx(8**0.5)
    for _ in range(9):
        learned.residuals.record(KEY, 1.0, 2.0)
    assert learned.factor == pytest.approx(2.0)
