"""The options that hold an answer to a format."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from xapp import client
from xapp.cli.choices import choice_options
from xapp.cli.standard_input import read_stdin
from xapp.inference.v1 import inference_pb2 as pb
from xapp.text_file import read_text

_F = TypeVar("_F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


def format_options(command: _F) -> _F:
    """--json-schema, --grammar, --choice and --choices."""
    options = (
        click.option(
            "--json-schema",
            type=_FILE,
            metavar="FILE",
            help="Hold the answer to this JSON schema (- reads it).",
        ),
        click.option("--grammar", type=_FILE, metavar="FILE", help="Hold the answer to this GBNF grammar."),
        choice_options("Hold the answer to one of these."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def output_format(
    json_schema: str | None, grammar: str | None, choices: Sequence[str]
) -> pb.OutputFormat | None:
    """The format of the options; None without one. Raises UsageError for more than one."""
    if sum((json_schema is not None, grammar is not None, bool(choices))) > 1:
        raise click.UsageError("give one of --json-schema, --grammar and --choices")
    if json_schema is not None:
        return client.json_schema(_read(json_schema))
    if grammar is not None:
        return client.grammar(_read(grammar))
    return client.choices(*choices) if choices else None


def _read(name: str) -> str:
    try:
        return read_stdin() if name == "-" else read_text(Path(name))
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{name}: {error}") from error
