"""What every vector is held to. A vector is float32, little-endian, packed into bytes."""

import math
from array import array


def is_finite(vector: bytes) -> bool:
    """Whether all numbers are finite: no vector can be compared with another kind.

    The sum tells it, and is faster than a look at each number.
    """
    try:
        return math.isfinite(math.fsum(array("f", vector)))
    except ValueError:  # infinities of both signs
        return False
