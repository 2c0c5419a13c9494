"""What is piped into a command."""

import sys

import click

from xapp.text_file import decode_text


def read_stdin() -> str:
    """All of standard input, which is UTF-8 whatever the locale says. Raises UsageError where it is not."""
    try:
        return decode_text(sys.stdin.buffer.read())
    except UnicodeDecodeError as error:
        text = f"standard input is not UTF-8: {error.reason} at byte {error.start}"
        raise click.UsageError(text) from error
