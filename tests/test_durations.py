import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.durations import MOST_S, to_duration

JUST_BESIDE_WHOLE_S = st.integers(-3, 3).map(lambda whole: whole + 1e-10)


@given(st.floats(-MOST_S, MOST_S) | st.floats(-3, 3) | JUST_BESIDE_WHOLE_S)
def test_it_is_what_the_contract_of_duration_allows(seconds: float) -> None:
    duration = to_duration(seconds)
    assert abs(duration.nanos) < 10**9
    assert duration.seconds * duration.nanos >= 0, "both have the same sign"
    assert duration.seconds + duration.nanos / 1e9 == pytest.approx(seconds, rel=1e-12, abs=1e-9)


def test_just_below_a_second_is_a_second() -> None:
    assert to_duration(0.9999999999).ToNanoseconds() == 10**9
    assert to_duration(-0.5).nanos == -500_000_000


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan, 1e18])
def test_what_is_no_duration(seconds: float) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        to_duration(seconds)
