"""`str.format` for templates: fields are replaced by text, and give no access to objects.

A field is empty, a number or a name. Attributes, items, conversions, widths and other specifications are
refused: a template could use them to leave the sandbox, or to make large texts.
"""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from jinja2.exceptions import SecurityError

from xapp.text.budget import concat, read, text


def formatted_by(function: Any) -> str | None:
    """The text whose `format` method a template calls; None for another function."""
    method = getattr(function, "__wrapped__", None)
    owner = getattr(method, "__self__", None)
    return owner if isinstance(owner, str) and getattr(method, "__name__", "") == "format" else None


def format_text(template: str, args: Sequence[Any], named: Mapping[str, Any]) -> str:
    """Like `str.format`, within the budget. Raises SecurityError, LookupError, ValueError."""
    parts, position = [], 0
    for literal, field, spec, conversion in Formatter().parse(read(template)):
        parts.append(literal)
        if field is None:
            continue
        if spec or conversion:
            raise SecurityError("str.format with a conversion or a specification is not supported")
        parts.append(_value(field or str(position), args, named))
        position += field == ""
    return concat(parts)


def _value(field: str, args: Sequence[Any], named: Mapping[str, Any]) -> str:
    if field.isdecimal() and len(field) < 6:
        return text(args[int(field)])
    if field.isidentifier():
        return text(named[field])
    raise SecurityError("str.format with attributes or items is not supported")
