"""The bench of isolation: it finds nothing where scopes are kept, and something where they are not."""

import pytest

from perf import isolation
from perf.isolation import Guesses, Mix


def test_mixed_requests_share_with_their_own_alone() -> None:
    mix = Mix()
    mix.run(3000)
    assert (mix.num_requests, mix.num_foreign) == (3000, 0)
    assert mix.num_shared > 1000


def test_a_foreign_prefix_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_scope_of", lambda _: "")
    mix = Mix()
    mix.run(300)
    assert mix.num_foreign > 0


@pytest.mark.parametrize(
    ("asked", "not_asked", "found"),
    [([1.0, 2.0], [3.0, 4.0], 1.0), ([1.0], [1.0], 0.5), ([2.0], [1.0], 0.0), ([1.0, 3.0], [2.0, 2.0], 0.5)],
)
def test_the_area_under_the_curve(asked: list[float], not_asked: list[float], found: float) -> None:
    guesses = Guesses(asked, not_asked)
    low, high = guesses.interval
    assert guesses.auc == found
    assert 0 <= low <= found <= high <= 1


def test_more_trials_narrow_the_interval() -> None:
    widths = []
    for count in (10, 100, 1000):
        low, high = Guesses([1.0, 2.0] * count, [2.0, 1.0] * count).interval
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.05
