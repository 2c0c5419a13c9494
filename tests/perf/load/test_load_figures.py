"""Figures follow from samples as their definitions say."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.load.latency_limits import Limits
from perf.load.load_figures import of_step, rank_interval
from perf.load.load_samples import Loop, Request, Step
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import percentile
from tests.perf.load.making import request, step

TWO = [
    request(0, scheduled=1.0, sent=1.5, first=3.0, end=5.0, tokens=11, gaps=[0.1] * 9 + [1.1]),
    request(1, scheduled=2.0, first=4.0, end=8.0, tokens=5, gaps=[1.0] * 4),
]


def figures(
    requests: Sequence[Request], limits: Limits | None = None, of: Step | None = None
) -> dict[str, Figure]:
    found = of_step(of or step(), requests, limits or Limits())
    named = {f"{figure.group}:{figure.name}".removeprefix("rate=1:"): figure for figure in found}
    assert len(named) == len(found)
    return named


def test_latencies_count_from_the_scheduled_arrival() -> None:
    found = figures(TWO)
    assert found["ttft.p50"].value == 2.0
    assert found["e2e.p99"].value == 6.0
    assert found["schedule_lag.max"].value == 0.5


def test_tpot_leaves_out_the_first_token() -> None:
    found = figures(TWO)
    assert (found["tpot.p50"].value, found["tpot.p99"].value) == pytest.approx((0.2, 1.0))


def test_itl_is_pooled_over_requests() -> None:
    found = figures(TWO)["itl.p50"]
    assert (found.value, found.num_samples) == (0.1, 14)


def test_output_tokens_are_per_second_from_the_first_request_to_the_last_token() -> None:
    assert figures(TWO)["output_tokens_per_second"].value == pytest.approx(16 / 7.0)


def test_goodput_counts_those_that_met_all_limits() -> None:
    found = figures(TWO, Limits(ttft_s=2.0, tpot_s=0.5))
    assert found["goodput"].value == pytest.approx(0.1)
    assert found["attainment"].value == 0.5
    assert found["attainment"].low is not None


def test_a_deadline_of_its_own_is_a_limit() -> None:
    late = request(0, end=3.0, deadline=2.5)
    assert figures([late])["attainment"].value == 0.0


def test_an_error_met_no_limit_and_has_no_latency() -> None:
    found = figures([request(0), request(1, error="refused"), request(2, error="refused")])
    assert found["attainment"].value == pytest.approx(1 / 3)
    assert found["ttft.p50"].num_samples == 1
    assert found["errors"].value == found["errors.refused"].value == 2
    assert found["errors.refused"].note == "it was refused"


def test_a_step_of_errors_says_that_nothing_was_measured() -> None:
    found = figures([request(0, error="lost")])
    assert found["ttft.p99"].value is None
    assert "no whole answer" in found["ttft.p99"].note
    assert found["output_tokens_per_second"].value is None


def test_classes_have_figures_of_their_own() -> None:
    found = figures([request(0, priority="critical"), request(1, priority="batch", error="expired")])
    assert found["rate=1/critical:attainment"].value == 1.0
    assert found["rate=1/batch:attainment"].value == 0.0


def test_the_share_of_cached_tokens() -> None:
    assert figures(TWO)["cached_tokens_share"].value == 0.25


def test_the_offered_rate_is_the_schedules() -> None:
    assert figures(TWO)["offered_rate"].value == 0.2
    assert "offered_rate" not in figures(TWO, of=step(loop=Loop.CLOSED))


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (step(cpu=9.0), "90% of a core"),
        (step(lags=[0.2] * 10), "loop was up to 200 ms late"),
        (step(), "sent up to 500 ms late"),
    ],
)
def test_a_client_that_was_the_bottleneck_is_marked(of: Step, why: str) -> None:
    found = figures(TWO, of=of)["client_bottleneck"]
    assert found.value == 1.0
    assert why in found.note


def test_a_client_that_was_not_is_not() -> None:
    found = figures([request(0)])["client_bottleneck"]
    assert (found.value, found.note) == (0.0, "")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.sampled_from([50, 95, 99]))
def test_percentiles_are_nearest_rank(values: list[float], percent: int) -> None:
    assert percentile(values, percent) == np.percentile(values, percent, method="inverted_cdf")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_the_interval_holds_the_percentile_or_is_not_there(values: list[float], percent: int) -> None:
    low, high = rank_interval(values, percent)
    if low is not None and high is not None:
        assert low <= percentile(values, percent) <= high
    else:
        assert low is high is None


def test_the_interval_covers_the_true_percentile_as_often_as_it_says() -> None:
    draw = np.random.default_rng(5)
    intervals = [rank_interval(list(draw.random(400)), 95) for _ in range(400)]
    covered = sum(low <= 0.95 <= high for low, high in intervals if low is not None and high is not None)
    assert 0.91 <= covered / 400 <= 0.99


def test_few_values_have_no_interval_at_the_edge() -> None:
    assert rank_interval([1.0, 2.0, 3.0], 99) == (None, None)
