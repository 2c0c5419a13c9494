"""The notation of JSON in answers: compact, with at most one space after a colon or a comma."""

import json
from decimal import Decimal
from typing import Any

from xapp.grammar.expr import (
    Chars,
    Expr,
    Ranges,
    Ref,
    Repeat,
    Seq,
    Text,
    alt,
    between,
    char_class,
    invert,
    merge,
    optional,
    seq,
)

_SHORT = {'"': '"', "\\": "\\", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
_ESCAPED: Ranges = merge([(0, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0xD800, 0xDFFF)])
_HEX = Chars(merge([(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]))
DIGIT = between("0", "9")
COLON = Seq((Text(":"), optional(Text(" "))))
COMMA = Seq((Text(","), optional(Text(" "))))

CHAR = Ref("json char")
VALUE = Ref("json value")
STRING = Ref("json string")
"""Names of the rules that `rules` defines. No rule of a caller has such a name."""

MAX_ANY_DEPTH = 3
"""Nesting depth of a value without a schema."""


def rules() -> dict[str, Expr]:
    """The rules of the names above."""
    found: dict[str, Expr] = {
        CHAR.name: _any_char(),
        STRING.name: string(Repeat(CHAR, 0, None)),
        VALUE.name: Ref(f"json value {MAX_ANY_DEPTH}"),
    }
    for depth in range(1, MAX_ANY_DEPTH + 1):
        inner = Ref(f"json value {depth - 1}") if depth > 1 else None
        pair = None if inner is None else seq(STRING, COLON, inner)
        nested = [] if inner is None or pair is None else [array(inner, 0, None), _members(pair)]
        found[f"json value {depth}"] = alt(*_scalars(), *nested)
    return found


def _scalars() -> list[Expr]:
    return [STRING, number(), Text("true"), Text("false"), Text("null")]


def _any_char() -> Expr:
    unicode = alt(
        seq(Chars(merge([*_without(_HEX.ranges, "dD")])), Repeat(_HEX, 3, 3)),
        seq(char_class("dD"), between("0", "7"), Repeat(_HEX, 2, 2)),
    )
    escape = alt(char_class('"\\/bfnrt'), seq(Text("u"), unicode))
    return alt(Chars(invert(_ESCAPED)), seq(Text("\\"), escape))


def _without(ranges: Ranges, chars: str) -> Ranges:
    return invert(merge([*invert(ranges), *((ord(char), ord(char)) for char in chars)]))


def string(content: Expr) -> Expr:
    """In quotes."""
    return seq(Text('"'), content, Text('"'))


def chars_in_string(ranges: Ranges) -> Expr:
    """One of these characters within quotes. Control characters without an escape name are left out."""
    plain = invert(merge([*invert(ranges), *_ESCAPED]))
    named = "".join(
        letter for char, letter in _SHORT.items() if any(low <= ord(char) <= high for low, high in ranges)
    )
    ways: list[Expr] = [Chars(plain)] if plain else []
    if named:
        ways.append(seq(Text("\\"), char_class(named)))
    return alt(*ways)


def number() -> Expr:
    """Any number: 15 digits before the point, 6 after it, an exponent of two digits."""
    whole = alt(Text("0"), seq(between("1", "9"), Repeat(DIGIT, 0, 14)))
    exponent = seq(char_class("eE"), optional(char_class("+-")), Repeat(DIGIT, 1, 2))
    fraction = seq(Text("."), Repeat(DIGIT, 1, 6))
    return seq(optional(Text("-")), whole, optional(fraction), optional(exponent))


def array(item: Ref, low: int, high: int | None) -> Expr:
    """An array of so many items."""
    if high == 0:
        return Text("[]")
    more = Repeat(seq(COMMA, item), max(low - 1, 0), None if high is None else high - 1)
    some = seq(item, more)
    return seq(Text("["), some if low else optional(some), Text("]"))


def _members(pair: Expr) -> Expr:
    return seq(Text("{"), optional(seq(pair, Repeat(seq(COMMA, pair), 0, None))), Text("}"))


def mapping(pair: Ref) -> Expr:
    """An object of any number of such pairs."""
    return _members(pair)


def literal(value: Any) -> str:
    """A value from a schema in the notation of answers."""
    if isinstance(value, dict):
        members = (f"{literal(key)}:{literal(item)}" for key, item in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(literal, value)) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
