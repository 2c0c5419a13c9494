"""The options `--choice TEXT` and `--choices A,B`, which have the same meaning in every command."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def choice_options(help_text: str) -> Callable[[_F], _F]:
    """`choices: tuple[str, ...]`, of both options together. `help_text` is their purpose."""
    options = (
        click.option(
            "--choice", multiple=True, metavar="TEXT", help=f"{help_text} Repeatable; may have commas in it."
        ),
        click.option("--choices", metavar="A,B,...", help="The same, several at once."),
    )

    def decorate(command: _F) -> _F:
        @functools.wraps(command)
        def joined(*args: Any, choice: tuple[str, ...], choices: str | None, **given: Any) -> Any:
            listed = () if choices is None else choices.split(",")
            return command(*args, choices=(*choice, *listed), **given)

        found: Any = joined
        for option in reversed(options):
            found = option(found)
        decorated: _F = found
        return decorated

    return decorate
