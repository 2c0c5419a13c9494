"""The order of contenders in the rounds of a measurement."""

from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


def rotated(items: Sequence[_T], number: int) -> list[_T]:
    """The same items, with another first item in each round. A drift of the machine then favours no item."""
    shift = number % len(items)
    return [*items[shift:], *items[:shift]]
