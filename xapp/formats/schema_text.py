"""Parses a schema's text to a JSON value, with bounded size and depth, and with numbers exactly as
written.
"""

import json
from decimal import Decimal
from typing import Any

from xapp.domain.format_kinds import FormatError
from xapp.text_file import without_mark

MAX_BYTES = 32 * 1024
MAX_DEPTH = 64


def parse_schema(text: str) -> Any:
    """Numbers with a point are Decimals. Raises FormatError."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise FormatError("", f"is larger than {MAX_BYTES} bytes")
    text = without_mark(text)
    try:
        schema = json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_object)
    except RecursionError:
        raise FormatError("", f"nests deeper than {MAX_DEPTH}") from None
    except json.JSONDecodeError as error:
        raise FormatError("", f"is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError("", f"is no JSON: {error}") from None
    _check_depth(schema)
    return schema


def _no_constant(name: str) -> None:
    raise FormatError("", f"is no JSON: {name}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise FormatError("", f"has the key {name[:80]!r} twice in one object")
        found[name] = value
    return found


def _check_depth(schema: Any) -> None:
    level = [schema]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise FormatError("", f"nests deeper than {MAX_DEPTH}")
