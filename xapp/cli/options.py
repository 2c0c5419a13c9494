"""Options that several commands share."""

import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from xapp.client import DEFAULT_TARGET

_F = TypeVar("_F", bound=Callable[..., Any])
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in stubs only
    """`30s`, `500ms`, `2m`, or a number of seconds; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, more than 0."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is no duration: write 500ms, 30s or 2m", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


def target_option(command: _F) -> _F:
    """Which node."""
    return click.option(
        "--target",
        default=DEFAULT_TARGET,
        envvar="XAPP_TARGET",
        show_default=True,
        show_envvar=True,
        metavar="HOST:PORT",
        help="The node's gRPC address.",
    )(command)


def json_option(command: _F) -> _F:
    """For scripts."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for scripts.")(
        command
    )


def json_line(message: Message) -> str:
    """The message in protobuf's JSON mapping, zeros and empty texts included."""
    line: str = MessageToJson(
        message, indent=None, ensure_ascii=False, always_print_fields_with_no_presence=True
    )
    return line


def read_prompt(prompt: str | None) -> str:
    """The argument; standard input for `-`, or for none where something is piped in."""
    if prompt is not None and prompt != "-":
        return prompt
    if prompt is None and sys.stdin.isatty():
        raise click.UsageError("give a PROMPT, or - to read it from standard input")
    return sys.stdin.read()
