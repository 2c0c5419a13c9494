"""What one render of a chat template may cost, and text functions that pay first.

A unit is a loop turn, a call, or 64 characters read or made. See `sandbox`.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import TemplateRuntimeError, Undefined
from jinja2.exceptions import SecurityError

MAX_UNITS = 1_000_000
MAX_CPU_S = 1.5
"""Less than a text may take in all: a template that is too slow is refused by name, and ends no process."""
_CHARS_PER_UNIT = 64
_MAX_NUMBER = 2**63
_MAX_DEPTH = 32


class OverBudget(TemplateRuntimeError):
    """The template wants more work or memory than any chat needs."""


class Budget:
    """What is left of one render."""

    def __init__(self, units: int = MAX_UNITS, cpu_s: float = MAX_CPU_S) -> None:
        self._left = units
        self._until = time.thread_time() + cpu_s

    def charge(self, units: int) -> None:
        """Raises OverBudget when nothing is left."""
        self._left -= units
        if self._left < 0:
            raise OverBudget("takes too much work or memory")
        if time.thread_time() > self._until:
            raise OverBudget("takes too much time")

    def charge_chars(self, count: int) -> None:
        """For text of this length."""
        self.charge(1 + count // _CHARS_PER_UNIT)


_budget: ContextVar[Budget] = ContextVar("budget")


def current() -> Budget:
    """The budget of the render that is going on."""
    return _budget.get()


@contextmanager
def spending(budget: Budget) -> Iterator[None]:
    """Compiling and rendering happen inside this."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


def measured(value: Any, depth: int = 0) -> Any:
    """The value, its whole size charged, containers as often as they are reached."""
    budget = current()
    if isinstance(value, str):
        budget.charge_chars(len(value))
    elif isinstance(value, int | float):
        if abs(value) > _MAX_NUMBER:
            raise OverBudget("makes a number too large")
    elif isinstance(value, dict | list | tuple):
        if depth > _MAX_DEPTH:
            raise OverBudget("nests too deep")
        budget.charge(len(value))
        for item in value.values() if isinstance(value, dict) else value:
            measured(item, depth + 1)
    elif isinstance(value, Iterator):
        return measured(list(metered(value)), depth)
    return value


def metered(items: Iterable[Any], weight: int = 1) -> Iterator[Any]:
    """What a loop goes over; each turn costs `weight`."""
    budget = current()
    for item in items:
        budget.charge(weight)
        yield item


def read(value: Any) -> Any:
    """The value, charged for being looked through once: comparing, searching, stripping."""
    if isinstance(value, str):
        current().charge_chars(len(value))
    elif isinstance(value, list | tuple | dict | range):
        current().charge(1 + len(value))
    return value


def text(value: Any) -> str:
    """What a value looks like in the output."""
    if isinstance(value, str):
        current().charge_chars(len(value))
        return value
    if not (value is None or isinstance(value, int | float | list | tuple | dict | Undefined)):
        raise SecurityError(f"a {type(value).__name__} has no text")
    return str(measured(value))


def concat(pieces: Iterable[Any]) -> str:
    """Joined, after the whole length is charged."""
    parts = [piece if isinstance(piece, str) else text(piece) for piece in pieces]
    current().charge_chars(sum(map(len, parts)))
    return "".join(parts)


def replace(value: Any, old: str, new: str, count: int | None = None) -> str:
    """As str.replace; its result is charged first."""
    source, old, new = text(value), text(old), text(new)
    times = source.count(old) if count is None or count < 0 else min(count, source.count(old))
    current().charge_chars(len(source) + times * len(new))
    return source.replace(old, new, times)


def join(items: Any, separator: str = "", attribute: str | None = None) -> str:
    """As Jinja's filter, without `attribute`."""
    if attribute is not None:
        raise SecurityError("join by attribute is not supported")
    parts = [text(item) for item in metered(items)]
    current().charge_chars(len(separator) * len(parts))
    return text(separator).join(parts)
