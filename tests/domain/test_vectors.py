from array import array
from math import inf, nan

import pytest

from xapp.domain.vectors import is_finite

MOST = 3.4028234e38


@pytest.mark.parametrize("numbers", [[], [0.0], [1.0, -2.0], [MOST] * 1000, [MOST, -MOST]])
def test_finite(numbers: list[float]) -> None:
    assert is_finite(array("f", numbers).tobytes())


@pytest.mark.parametrize("numbers", [[nan], [1.0, inf], [-inf, 1.0], [inf, -inf], [nan, inf, -inf]])
def test_not_finite(numbers: list[float]) -> None:
    assert not is_finite(array("f", numbers).tobytes())
