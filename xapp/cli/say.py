"""The output of commands: terminals show texts of models and nodes, and obey no control character in them."""

import sys

import click

from xapp.visible import visible


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Prints a line to standard output, or to standard error."""
    click.echo(visible(text), err=err, nl=nl)


def shown(text: str) -> str:
    """A piece of an answer: unchanged for a file or a program, without control characters for a terminal."""
    return visible(text) if sys.stdout.isatty() else text
