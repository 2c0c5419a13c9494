"""Progress on standard error."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from xapp.cli.sizes import size_text

LINE_EVERY_S = 5.0


class TerminalProgress:
    """Progress on standard error: a bar on a terminal, else a line every few seconds. A context manager."""

    def __init__(self, name: str, console: Console | None = None) -> None:
        self._name = name
        self._console = console or Console(stderr=True)
        self._bars = _bars(self._console) if self._console.is_terminal else None
        self._task: TaskID | None = None
        self._what = ""
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def update(self, what: str, done: int, total: int) -> None:
        """Shows the progress of a step as a bar."""
        if self._bars is None:
            self._line(what, done, total)
            return
        if what != self._what or self._task is None:
            self._what, self._task = what, self._bars.add_task(f"{self._name}: {what}", total=total)
        self._bars.update(self._task, completed=done)

    def say(self, message: str) -> None:
        """Prints a line."""
        if self._bars:
            self._bars.console.print(message, markup=False, highlight=False, soft_wrap=True)
        else:
            print(message, file=sys.stderr, flush=True)

    def _line(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            share = done / total if total else 1
            self.say(f"{self._name}: {what} {size_text(done)} of {size_text(total)} ({share:.0%})")


def _bars(console: Console) -> Bars:
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
