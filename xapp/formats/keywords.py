"""The supported keywords of JSON Schema, with checked bounds."""

from decimal import Decimal
from typing import Any

from xapp.domain.format_kinds import FormatError, pointer

ANNOTATIONS = frozenset(
    (
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$schema", "$comment", "$defs", "definitions"),
        "discriminator",  # of OpenAPI: which of `oneOf` a reader should expect
    )
)
"""Annotations: they do not affect whether a value conforms."""
OF_TYPE: dict[str, frozenset[str]] = {
    "string": frozenset(("minLength", "maxLength", "pattern", "format")),
    "integer": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
    "number": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
    "array": frozenset(("items", "minItems", "maxItems")),
    "object": frozenset(("properties", "required", "additionalProperties")),
    "boolean": frozenset(),
    "null": frozenset(),
}
_ELSEWHERE = frozenset(("enum", "const", "anyOf", "oneOf", "allOf", "$ref", "type"))
KNOWN = frozenset().union(*OF_TYPE.values()) | _ELSEWHERE | ANNOTATIONS
MAX_BOUND = Decimal(10) ** 12
MAX_COUNT = 100_000


def check_keywords(schema: dict[str, Any], place: str) -> None:
    """Raises FormatError at the first unsupported keyword."""
    for key in schema:
        if key not in KNOWN and not (key == "$id" and not place):
            raise FormatError(pointer(place, key), "unsupported keyword")


def only(schema: dict[str, Any], place: str, *allowed: str) -> None:
    """Raises FormatError at a keyword beside `allowed` and annotations."""
    for key in schema:
        if key not in ANNOTATIONS and key not in allowed and key != "$id":
            raise FormatError(pointer(place, key), f"is not supported beside {allowed[0]}")


def types_of(schema: dict[str, Any], place: str) -> list[str]:
    """The types of a value. Without `type`, the types that the keywords apply to."""
    if "type" not in schema:
        return [name for name, keywords in OF_TYPE.items() if name != "integer" and keywords & schema.keys()]
    given = schema["type"]
    names = [given] if isinstance(given, str) else given
    where = pointer(place, "type")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise FormatError(where, "is no type and no list of types")
    for name in names:
        if name not in OF_TYPE:
            raise FormatError(where, f"{name[:40]!r} is no type")
    return list(dict.fromkeys(names))


def check_apply(schema: dict[str, Any], place: str, types: list[str]) -> None:
    """Raises FormatError at a keyword that applies to none of the types."""
    applicable = frozenset().union(*(OF_TYPE[name] for name in types)) | ANNOTATIONS | {"type", "$id"}
    for key in schema:
        if key not in applicable:
            raise FormatError(pointer(place, key), f"says nothing about type {' or '.join(types)}")


def count(schema: dict[str, Any], place: str, key: str) -> int | None:
    """A length, or None."""
    if key not in schema:
        return None
    value = schema[key]
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise FormatError(pointer(place, key), f"must be a whole number from 0 to {MAX_COUNT}")
    return value


def counts(schema: dict[str, Any], place: str, low_key: str, high_key: str) -> tuple[int, int | None]:
    """Least and greatest length."""
    low, high = count(schema, place, low_key) or 0, count(schema, place, high_key)
    if high is not None and low > high:
        raise FormatError(pointer(place, low_key), f"{low} is more than {high_key}, {high}")
    return low, high


def bound(schema: dict[str, Any], place: str, key: str) -> Decimal | None:
    """A bound of a number, or None."""
    if key not in schema:
        return None
    value = schema[key]
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise FormatError(pointer(place, key), "must be a number")
    if not -MAX_BOUND <= value <= MAX_BOUND:
        raise FormatError(pointer(place, key), f"must be within {-MAX_BOUND:,f} and {MAX_BOUND:,f}")
    return Decimal(value)


def tighter(schema: dict[str, Any], place: str, side: str) -> tuple[Decimal | None, bool, str]:
    """The effective bound of a side (`imum` of Min or Max), whether it is exclusive, and its key."""
    plain_key, exclusive_key = side, f"exclusive{side.capitalize()}"
    plain, exclusive = bound(schema, place, plain_key), bound(schema, place, exclusive_key)
    if exclusive is None or plain is None:
        is_exclusive = exclusive is not None
        return (
            (exclusive if is_exclusive else plain),
            is_exclusive,
            exclusive_key if is_exclusive else plain_key,
        )
    stricter = exclusive >= plain if side == "minimum" else exclusive <= plain
    return (exclusive, True, exclusive_key) if stricter else (plain, False, plain_key)
