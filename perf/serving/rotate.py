"""Whose turn it is first."""

from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


def rotated(items: Sequence[_T], number: int) -> list[_T]:
    """The same items, another one first each round: drift favours nobody."""
    shift = number % len(items)
    return [*items[shift:], *items[:shift]]
