import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.telemetry.percentile import percentile


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.floats(0.1, 100))
def test_it_is_the_smallest_sample_that_so_many_do_not_exceed(samples: list[float], percent: float) -> None:
    value = percentile(samples, percent)
    assert value in samples
    assert sum(each <= value for each in samples) * 100 >= percent * len(samples) - 1e-6
    assert sum(each < value for each in samples) * 100 < percent * len(samples) + 1e-6


def test_there_must_be_samples() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)
