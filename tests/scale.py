"""How large tests are: small for every change, full with XAPP_TESTS=full (`make test-full`, each night)."""

import os
from typing import TypeVar

_T = TypeVar("_T")
_FULL = os.environ.get("XAPP_TESTS") == "full"


def sized(small: _T, full: _T) -> _T:
    """The value for this run."""
    return full if _FULL else small


def examples(full: int) -> int:
    """Number of hypothesis's examples: a third of the full number for every change."""
    return sized(max(10, full // 3), full)
