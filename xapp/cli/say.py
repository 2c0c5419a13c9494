"""What commands write: texts of models and nodes are shown, never obeyed by the terminal."""

import sys

import click

from xapp.visible import visible


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """A line on standard output, or on standard error."""
    click.echo(visible(text), err=err, nl=nl)


def shown(text: str) -> str:
    """A piece of an answer: as it is for a file or a program, harmless for a terminal."""
    return visible(text) if sys.stdout.isatty() else text
