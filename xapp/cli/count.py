"""A type of options for numbers that are sent to a node."""

import click


class Count(click.IntRange):
    """A whole number of things, as messages have room for it."""

    name = "integer"

    def __init__(self, least: int = 1) -> None:
        super().__init__(least, 2**31 - 1)

    def _describe_range(self) -> str:
        """For --help."""
        return f"x>={self.min}"
