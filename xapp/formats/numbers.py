"""Ranges of numbers as expressions over their digits, exact to the last digit."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from xapp.formats.json_text import DIGIT
from xapp.grammar.expr import EMPTY, Expr, Repeat, Text, alt, between, optional, seq

MAX_INTEGER = 10**15 - 1
"""In place of a missing bound. Every number up to here is exact in a double."""
MAX_DECIMALS = 6
SIGNIFICANT = 15
"""Digits that a double keeps. With more digits, a number beyond a bound could be read as the bound itself."""


def integers(low: int | None, high: int | None) -> Expr:
    """The whole numbers from `low` to `high`, at least one, without leading zeros."""
    first = -MAX_INTEGER if low is None else low
    last = MAX_INTEGER if high is None else high
    assert first <= last
    ways: list[Expr] = []
    if last >= 0:
        ways.append(_whole(max(first, 0), last))
    if first < 0:
        ways.append(seq(Text("-"), _whole(max(1, -last), -first)))
    return alt(*ways)


def decimals_for(bounds: list[Decimal]) -> int:
    """Largest number of decimals of numbers within these bounds."""
    digits = max((len(str(abs(int(bound)))) for bound in bounds), default=0)
    return max(0, min(MAX_DECIMALS, SIGNIFICANT - digits))


def scaled(bound: Decimal, decimals: int, *, up: bool, exclusive: bool) -> int:
    """The bound in units of the last decimal. The bound itself is excluded when `exclusive`."""
    grid = bound.scaleb(decimals)
    step = int(grid.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR))
    if exclusive and step == grid:
        step += 1 if up else -1
    return step


def decimals(first: int, last: int, places: int) -> Expr:
    """The numbers from first / 10^places to last / 10^places; `first <= last`."""
    ways: list[Expr] = []
    if last >= 0:
        ways.append(_positive(max(first, 0), last, places))
    if first < 0:
        ways.append(seq(Text("-"), _positive(max(1, -last), -first, places)))
    return alt(*ways)


# ---- whole numbers, 0 <= first <= last


def _whole(first: int, last: int) -> Expr:
    ways: list[Expr] = []
    for length in range(len(str(first)), len(str(last)) + 1):
        low = max(first, 10 ** (length - 1) if length > 1 else 0)
        high = min(last, 10**length - 1)
        ways.append(_same_length(str(low), str(high)))
    return alt(*ways)


def _same_length(low: str, high: str) -> Expr:
    """Digits from `low` to `high`, both of the same length."""
    rest = len(low) - 1
    if not low:
        return EMPTY
    if not low[1:].strip("0") and not high[1:].strip("9"):
        return seq(between(low[0], high[0]), _digits(rest, rest))
    if low[0] == high[0]:
        return seq(Text(low[0]), _same_length(low[1:], high[1:]))
    ways = [seq(Text(low[0]), _same_length(low[1:], "9" * rest))]
    if ord(high[0]) - ord(low[0]) > 1:
        ways.append(seq(_inner(low[0], high[0]), _digits(rest, rest)))
    ways.append(seq(Text(high[0]), _same_length("0" * rest, high[1:])))
    return alt(*ways)


# ---- numbers with decimals, in units of the last decimal


def _positive(first: int, last: int, places: int) -> Expr:
    low, low_digits = divmod(first, 10**places)
    high, high_digits = divmod(last, 10**places)
    begin, end = _padded(low_digits, places), _padded(high_digits, places)
    if low == high:
        return seq(Text(str(low)), _fraction(begin, end))
    ways = [seq(Text(str(low)), _fraction(begin, "9" * places))]
    if high - low > 1:
        ways.append(seq(_whole(low + 1, high - 1), _fraction("0" * places, "9" * places)))
    ways.append(seq(Text(str(high)), _fraction("0" * places, end)))
    return alt(*ways)


def _padded(digits: int, places: int) -> str:
    return str(digits).zfill(places) if places else ""


def _fraction(low: str, high: str) -> Expr:
    """A point and decimals from `low` to `high`. Zeros at the end may be left out, and then the point."""
    if not low:
        return EMPTY
    digits = seq(Text("."), _decimals(low, high))
    return digits if low.strip("0") else optional(digits)


def _decimals(low: str, high: str) -> Expr:
    """At least one."""
    rest = len(low) - 1
    if not low.strip("0") and not high.strip("9"):
        return _digits(1, rest + 1)
    if low[0] == high[0]:
        return seq(Text(low[0]), _more(low[1:], high[1:]))
    ways = [seq(Text(low[0]), _more(low[1:], "9" * rest))]
    if ord(high[0]) - ord(low[0]) > 1:
        ways.append(seq(_inner(low[0], high[0]), _digits(0, rest)))
    ways.append(seq(Text(high[0]), _more("0" * rest, high[1:])))
    return alt(*ways)


def _more(low: str, high: str) -> Expr:
    """Further decimals: none, where the omitted decimals may be zeros."""
    if not low:
        return EMPTY
    return _decimals(low, high) if low.strip("0") else optional(_decimals(low, high))


def _inner(low: str, high: str) -> Expr:
    return between(chr(ord(low) + 1), chr(ord(high) - 1))


def _digits(low: int, high: int) -> Expr:
    return Repeat(DIGIT, low, high) if high else EMPTY
