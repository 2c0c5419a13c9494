"""Strings, numbers and other values without inner values, as expressions."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from xapp.domain.format_kinds import FormatError, pointer
from xapp.formats import json_text, numbers, pattern
from xapp.formats.keywords import counts, tighter
from xapp.formats.string_formats import pattern_of
from xapp.grammar.compile import compile_rules
from xapp.grammar.expr import Expr, GrammarError, Repeat, Text, alt


def _string(schema: dict[str, Any], place: str) -> Expr:
    low, high = counts(schema, place, "minLength", "maxLength")
    if "pattern" not in schema and "format" not in schema:
        return json_text.string(Repeat(json_text.CHAR, low, high))
    key = "pattern" if "pattern" in schema else "format"
    where = pointer(place, key)
    if "minLength" in schema or "maxLength" in schema:
        raise FormatError(where, "is not supported beside a length: put the length into a pattern")
    if key == "pattern" and "format" in schema:
        raise FormatError(pointer(place, "format"), "is not supported beside pattern")
    text = text_of(schema["pattern"], where) if key == "pattern" else pattern_of(schema["format"], where)
    return _matching(text, where)


def _matching(text: str, where: str) -> Expr:
    try:
        expr = pattern.read_pattern(text)
        content = pattern.as_json(expr)
        compile_rules({"root": content})
    except GrammarError as error:
        raise FormatError(where, str(error)) from None
    return json_text.string(content)


def _integer(schema: dict[str, Any], place: str) -> Expr:
    low, low_out, low_key = tighter(schema, place, "minimum")
    high, high_out, high_key = tighter(schema, place, "maximum")
    first = None if low is None else numbers.scaled(low, 0, up=True, exclusive=low_out)
    last = None if high is None else numbers.scaled(high, 0, up=False, exclusive=high_out)
    if first is not None and last is not None and first > last:
        raise FormatError(
            pointer(place, low_key), f"no integer is within {low_key} {low} and {high_key} {high}"
        )
    return numbers.integers(first, last)


def _number(schema: dict[str, Any], place: str) -> Expr:
    low, low_out, low_key = tighter(schema, place, "minimum")
    high, high_out, high_key = tighter(schema, place, "maximum")
    if low is None and high is None:
        return json_text.number()
    places = numbers.decimals_for([each for each in (low, high) if each is not None])
    largest = numbers.MAX_INTEGER
    first = -largest if low is None else numbers.scaled(low, places, up=True, exclusive=low_out)
    last = largest if high is None else numbers.scaled(high, places, up=False, exclusive=high_out)
    if first > last:
        text = f"no number of {places} decimals is within {low_key} {low} and {high_key} {high}"
        raise FormatError(pointer(place, low_key), text)
    return numbers.decimals(first, last, places)


def _boolean(_schema: dict[str, Any], _place: str) -> Expr:
    return alt(Text("true"), Text("false"))


def _null(_schema: dict[str, Any], _place: str) -> Expr:
    return Text("null")


SCALARS: dict[str, Callable[[dict[str, Any], str], Expr]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
}
"""By type: an expression from a schema and its place. Each function raises FormatError."""


def is_of_type(value: Any, name: str) -> bool:
    """Whether a value of a schema is of that type."""
    match name:
        case "integer":
            whole = isinstance(value, int) or (not isinstance(value, float | str) and _is_whole(value))
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | Decimal) and not isinstance(value, bool)
        case "null":
            return value is None
    kinds: dict[str, type] = {"string": str, "boolean": bool, "array": list, "object": dict}
    return isinstance(value, kinds[name])


def _is_whole(value: Any) -> bool:
    return isinstance(value, Decimal) and value == value.to_integral_value()


def text_of(value: Any, where: str) -> str:
    """The value, which must be a string. Raises FormatError."""
    if not isinstance(value, str):
        raise FormatError(where, "must be a text")
    return value


def encodable(text: str, where: str) -> str:
    """The text, which must have whole characters. Raises FormatError."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FormatError(where, "has half of a surrogate pair, which is no character") from None
    return text
