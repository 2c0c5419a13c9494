"""The budget of one render of a chat template, and text functions that charge it.

A unit is a loop turn, a call, or 64 characters read or made. See `sandbox`.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import TemplateRuntimeError, Undefined
from jinja2.exceptions import SecurityError

from xapp.text.tool_turns import MAX_WHOLE

MAX_UNITS = 1_000_000
MAX_CPU_S = 1.5
"""Less than the limit of a text: a template that is too slow gets an error and does not end the process."""
_CHARS_PER_UNIT = 64
_MAX_DEPTH = 100


class OverBudget(TemplateRuntimeError):
    """The template needs more work or memory than any chat needs."""


class Budget:
    """The rest of the budget of one render."""

    def __init__(self, units: int = MAX_UNITS, cpu_s: float = MAX_CPU_S) -> None:
        self._left = units
        self._until = time.thread_time() + cpu_s

    def charge(self, units: int) -> None:
        """Raises OverBudget when the budget is used up."""
        self._left -= units
        if self._left < 0:
            raise OverBudget("takes too much work or memory")
        if time.thread_time() > self._until:
            raise OverBudget("takes too much time")

    def charge_chars(self, count: int) -> None:
        """Charges a text of this length."""
        self.charge(1 + count // _CHARS_PER_UNIT)


_budget: ContextVar[Budget] = ContextVar("budget")


def current() -> Budget:
    """The budget of the current render."""
    return _budget.get()


@contextmanager
def spending(budget: Budget) -> Iterator[None]:
    """Sets the budget for compiling and rendering."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


def measured(value: Any, depth: int = 0) -> Any:
    """Charges the whole size of a value and returns it. A container is charged as often as it is reached."""
    budget = current()
    if isinstance(value, str):
        budget.charge_chars(len(value))
    elif isinstance(value, int | float):
        # A float takes eight bytes whatever it is; an infinite one comes from a mistake.
        if abs(value) > (MAX_WHOLE if isinstance(value, int) else sys.float_info.max):
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
    """Charges `weight` for each turn of a loop over the items."""
    budget = current()
    for item in items:
        budget.charge(weight)
        yield item


def read(value: Any) -> Any:
    """Charges one reading of a value (comparing, searching, stripping) and returns it."""
    if isinstance(value, str):
        current().charge_chars(len(value))
    elif isinstance(value, list | tuple | dict | range):
        current().charge(1 + len(value))
    return value


def text(value: Any) -> str:
    """A value as text in the output."""
    if isinstance(value, str):
        current().charge_chars(len(value))
        return value
    if not (value is None or isinstance(value, int | float | list | tuple | dict | Undefined)):
        raise SecurityError(f"a {type(value).__name__} has no text")
    return str(measured(value))


def concat(pieces: Iterable[Any]) -> str:
    """Joins pieces after charging the whole length."""
    parts = [piece if isinstance(piece, str) else text(piece) for piece in pieces]
    current().charge_chars(sum(map(len, parts)))
    return "".join(parts)


def replace(value: Any, old: str, new: str, count: int | None = None) -> str:
    """Like str.replace, with the result charged first."""
    source, old, new = text(value), text(old), text(new)
    times = source.count(old) if count is None or count < 0 else min(count, source.count(old))
    current().charge_chars(len(source) + times * len(new))
    return source.replace(old, new, times)


def join(items: Any, separator: str = "", attribute: str | None = None) -> str:
    """Like Jinja's filter, without `attribute`."""
    if attribute is not None:
        raise SecurityError("join by attribute is not supported")
    parts = [text(item) for item in metered(items)]
    current().charge_chars(len(separator) * len(parts))
    return text(separator).join(parts)
