"""Figures that the tests measure. No test judges them: they are printed at the end, beside their bars."""


class Figures:
    """Lines, in the order in which they were said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Keeps a line for the end."""
        self.lines.append(line)
