"""Expressions of a grammar's rules, for the GBNF parser and the schema converter."""

from dataclasses import dataclass
from typing import TypeAlias

MAX_CODE_POINT = 0x10FFFF
Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Inclusive ranges of code points, ascending, not touching each other."""


class GrammarError(ValueError):
    """The grammar cannot be used. The message names the place."""


@dataclass(frozen=True, slots=True)
class Text:
    """Exactly these characters."""

    text: str


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Seq:
    """Its parts one after the other."""

    items: "tuple[Expr, ...]"


@dataclass(frozen=True, slots=True)
class Alt:
    """Any one of its parts. Without parts it matches nothing, not even the empty text."""

    items: "tuple[Expr, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """Its part, `low` to `high` times; None is no limit."""

    item: "Expr"
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Ref:
    """The rule with that name."""

    name: str


Expr: TypeAlias = Text | Chars | Seq | Alt | Repeat | Ref

EMPTY = Text("")
NEVER = Alt(())


def seq(*items: Expr) -> Expr:
    """The parts one after the other."""
    return items[0] if len(items) == 1 else Seq(items)


def alt(*items: Expr) -> Expr:
    """Any one of the parts."""
    return items[0] if len(items) == 1 else Alt(items)


def optional(item: Expr) -> Expr:
    """The part once or not at all."""
    return Repeat(item, 0, 1)


def char_class(text: str) -> Chars:
    """The characters of `text`."""
    return Chars(merge([(ord(char), ord(char)) for char in text]))


def between(first: str, last: str) -> Chars:
    """One character from `first` to `last`."""
    return Chars(((ord(first), ord(last)),))


def merge(ranges: list[tuple[int, int]]) -> Ranges:
    """The ranges sorted, and joined where they touch."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def invert(ranges: Ranges) -> Ranges:
    """Every character outside the ranges."""
    gaps, start = [], 0
    for low, high in ranges:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= MAX_CODE_POINT:
        gaps.append((start, MAX_CODE_POINT))
    return tuple(gaps)
