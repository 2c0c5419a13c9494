"""Values of options that more than one mode takes."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from xapp.config import load_settings

_MAX_STREAMS = 64
_MIN_PROMPT, _MAX_PROMPT = 32, 100_000
_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])


@contextmanager
def stoppable() -> Iterator[None]:
    """Being told to stop is like Ctrl-C: the run leaves through its clean-up, and no server stays behind."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def parsed(parse: Callable[[str], _T]) -> Callable[[Any, Any, str | None], _T | None]:
    """A click callback: what `parse` makes of the text; its ValueError is a wrong option."""

    def callback(_context: object, _option: object, value: str | None) -> _T | None:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def stream_counts(text: str) -> list[int]:
    """Of `1,4,8`; of "" none. Raises ValueError."""
    try:
        numbers = [int(each) for each in text.split(",")] if text else []
    except ValueError as error:
        raise ValueError(f"{text!r} is not a list of numbers such as 1,4,8") from error
    if any(not 1 <= each <= _MAX_STREAMS for each in numbers) or len(set(numbers)) < len(numbers):
        raise ValueError(f"{text!r}: numbers from 1 to {_MAX_STREAMS}, each once")
    return numbers


def prompt_lengths(text: str) -> list[int]:
    """Of `200,1500`; of "" none. Raises ValueError."""
    numbers = [int(each) for each in text.split(",") if each.strip().isdecimal()] if text else []
    if text and len(numbers) < len(text.split(",")):
        raise ValueError(f"{text!r} is not a list of numbers such as 200,1500")
    if any(not _MIN_PROMPT <= each <= _MAX_PROMPT for each in numbers) or len(set(numbers)) < len(numbers):
        raise ValueError(f"{text!r}: numbers from {_MIN_PROMPT} to {_MAX_PROMPT}, each once")
    return numbers


def all_of(options: Sequence[Callable[[Any], Any]]) -> Callable[[_F], _F]:
    """A decorator with these options, in this order."""

    def decorate(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def model_option(command: _F) -> _F:
    """`model: str`: a catalogue name or a path; by default what the settings say."""
    return click.option(
        "--model", default=lambda: load_settings(os.environ).node.model, help="Name or path of the model."
    )(command)


def streams_option(help_text: str) -> Callable[[_F], _F]:
    """`streams: list[int]`."""
    return click.option(
        "--streams", default="1,4,8", show_default=True, callback=parsed(stream_counts), help=help_text
    )


def rounds_option(command: _F) -> _F:
    """`rounds: int`."""
    return click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 1000))(command)
