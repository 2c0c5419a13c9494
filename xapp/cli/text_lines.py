"""Texts of a command: arguments, lines of a file, or lines of standard input."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from xapp.cli.standard_input import read_stdin
from xapp.text_file import read_text

_F = TypeVar("_F", bound=Callable[..., Any])


def texts_option(command: _F) -> _F:
    """`file`: a file with a text in each line; "-" is standard input."""
    return click.option(
        "--file", metavar="PATH", help="A file with a text in each line; - is standard input."
    )(command)


def truncation_option(command: _F) -> _F:
    """`truncate`, in lower case; None where nothing was said."""
    return click.option(
        "--truncate",
        type=click.Choice(["none", "start", "end"]),
        help="What a text that is too long loses. Default: it is refused (embed), or loses its end (rerank).",
    )(command)


def read_lines(texts: Sequence[str], file: str | None) -> list[str]:
    """The texts, then the lines of the file that are not empty. Raises UsageError without any text."""
    lines = [] if file is None else _lines(file)
    found = [*texts, *(line for line in lines if line.strip())]
    if not found:
        raise click.UsageError("give texts, or --file with a text in each line")
    return found


def _lines(file: str) -> list[str]:
    if file == "-":
        return read_stdin().splitlines()
    try:
        return read_text(Path(file)).splitlines()
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from error
