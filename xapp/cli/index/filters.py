"""--filter and --metadata: NAME=VALUE, NAME!=VALUE, NAME>=VALUE, NAME<=VALUE."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])
_CONDITION = re.compile(r"([^=<>!]+)(=|!=|>=|<=)(.*)", re.DOTALL)
_WORDS = {"!=": "not", ">=": "at_least", "<=": "at_most"}


def filter_option(command: _F) -> _F:
    """`conditions`, as `filter_of` reads them."""
    return click.option(
        "--filter",
        "conditions",
        multiple=True,
        metavar="NAME=VALUE",
        help="Only documents with this metadata; also !=, >= and <=. Repeatable: all hold.",
    )(command)


def filter_of(conditions: Sequence[str]) -> dict[str, Any]:
    """The filter on the wire: for each name a list of values, or an object."""
    found: dict[str, Any] = {}
    for text in conditions:
        name, sign, value = _parts("--filter", text)
        if sign == "=":
            one_of = found.setdefault(name, [])
            if not isinstance(one_of, list):
                raise click.UsageError(f"--filter: {name} has = and another condition")
            one_of.append(value)
            continue
        others = found.setdefault(name, {})
        if not isinstance(others, dict) or (_WORDS[sign] in others and sign != "!="):
            raise click.UsageError(f"--filter: {name} has = and another condition, or {sign} twice")
        if sign == "!=":
            others.setdefault("not", []).append(value)
        else:
            others[_WORDS[sign]] = value
    return found


def metadata_of(values: Sequence[str]) -> dict[str, Any]:
    """The values of --metadata."""
    parts = [_parts("--metadata", text) for text in values]
    if wrong := [text for text, (_, sign, _) in zip(values, parts, strict=True) if sign != "="]:
        raise click.UsageError(f"--metadata: {wrong[0]!r} is not NAME=VALUE")
    return {name: value for name, _, value in parts}


def _parts(option: str, text: str) -> tuple[str, str, Any]:
    if (match := _CONDITION.fullmatch(text)) is None:
        raise click.UsageError(f"{option}: {text!r} is not NAME=VALUE")
    return match[1].strip(), match[2], _value(match[3].strip())


def _value(text: str) -> Any:
    """A number or a boolean where it is written like one, else a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
