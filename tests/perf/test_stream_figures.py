import pytest

from perf.stream_figures import Arrival, Stream, percentile, steady_rate, steady_window


def stream(*times: float, sent: float = 0.0, tokens: int = 1) -> Stream:
    return Stream(sent, [Arrival(at, tokens) for at in times])


def test_steady_rate_of_one_stream_ignores_the_time_to_first_token() -> None:
    assert steady_rate([stream(10.0, 10.1, 10.2, 10.3)]) == pytest.approx(10.0)


def test_steady_rate_counts_only_the_time_when_all_decode() -> None:
    early = stream(*(index / 10 for index in range(100)))
    late = stream(*(5 + index / 10 for index in range(100)))
    assert steady_window([early, late]) == (5.0, 9.9)
    assert steady_rate([early, late]) == pytest.approx(20.0)


def test_steady_rate_does_not_depend_on_the_order_within_a_step() -> None:
    first = stream(*(index / 10 for index in range(10)))
    second = stream(*(index / 10 + 0.01 for index in range(10)))
    assert steady_rate([first, second]) == pytest.approx(20.0, rel=1e-6)
    assert steady_rate([second, first]) == pytest.approx(20.0, rel=1e-6)


def test_steady_rate_counts_tokens_not_arrivals() -> None:
    assert steady_rate([stream(0.0, 1.0, 2.0, tokens=3)]) == pytest.approx(3.0)


def test_streams_that_do_not_overlap_have_no_steady_rate() -> None:
    with pytest.raises(ValueError, match="overlap"):
        steady_rate([stream(0.0, 0.1), stream(5.0, 5.1)])


def test_a_stream_without_tokens_has_no_first_token() -> None:
    with pytest.raises(ValueError, match="no token"):
        _ = stream().time_to_first_token


def test_time_to_first_token_counts_from_sending() -> None:
    assert stream(2.5, 3.0, sent=2.0).time_to_first_token == 0.5


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 5), (51, 6), (99, 10), (100, 10)])
def test_percentile_is_nearest_rank(percent: int, expected: int) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == expected


def test_percentile_without_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)
