"""Options and endings that the modes of `genai-xapp bench` share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from perf.record.journal import journal_path
from perf.record.result_files import DEFAULT_FOLDER, RecordError
from perf.targets.target import TargetError

EXIT_INTERRUPTED = 130
_F = TypeVar("_F", bound=Callable[..., Any])


def target_option(command: _F) -> _F:
    """`target: str | None`: an endpoint of ours that is serving already."""
    return click.option(
        "--target",
        metavar="HOST:PORT",
        help="A genai-xapp server's gRPC address. Default: start one on loopback for the run.",
    )(command)


def openai_option(command: _F) -> _F:
    """`openai: str | None`: any OpenAI-compatible server."""
    return click.option("--openai", metavar="URL", help="An OpenAI-compatible server, http://HOST:PORT.")(
        command
    )


def out_option(command: _F) -> _F:
    """`out: Path | None`: for `perf.record.result_files.result_path`."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        help=f"Result file, or a folder for it. Default folder: {_shown(DEFAULT_FOLDER)}.",
    )(command)


def _shown(folder: Path) -> str:
    return "perf/results/local" if folder.is_absolute() else str(folder)


def seed_option(command: _F) -> _F:
    """`seed: int`: of everything that is drawn at random."""
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random."
    )(command)


def limit_option(what: str) -> Callable[[_F], _F]:
    """`limit: int | None`: at most so many of `what`, for a short run."""
    return click.option("--limit", type=click.IntRange(min=1), help=f"Only so many {what}, for a short run.")


def json_option(command: _F) -> _F:
    """`as_json: bool`: the result on standard output, for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document, for scripts.")(command)


def console() -> Console:
    """For people: standard error, so that standard output is the result's."""
    return Console(stderr=True)


@contextmanager
def progress(console: Console, total: int, what: str = "", done: int = 0) -> Iterator[Callable[[str], None]]:
    """A bar with the time left; call what it yields once a piece of work, with a word on it.

    Without a terminal there are lines instead, see `Lines`. `done` pieces were there already, from a run
    that was interrupted.
    """
    if not console.is_terminal:
        yield Lines(total, what, done).advance
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total, completed=done)

        def advance(text: str) -> None:
            bar.update(task, advance=1, description=text)

        yield advance


class Lines:
    """Progress on standard error for a log: a line when another step begins, and for each tenth."""

    def __init__(self, total: int, what: str, done: int) -> None:
        self._total = total
        self._done = done
        self._text = what
        self._say()

    def advance(self, text: str) -> None:
        """One piece is done, of the step `text`."""
        before, self._done = self._done, self._done + 1
        another_tenth = 10 * self._done // self._total > 10 * before // self._total
        if text != self._text or another_tenth:
            self._text = text
            self._say()

    def _say(self) -> None:
        click.echo(f"{self._done}/{self._total} {self._text}", err=True)


@contextmanager
def resumable(path: Path) -> Iterator[None]:
    """Around a run that keeps a journal for the result file `path`.

    Ctrl-C ends with exit status 130 and says how to go on; RecordError and TargetError end with 1
    and one line.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"interrupted; {_kept(path)}", err=True)
        click.get_current_context().exit(EXIT_INTERRUPTED)
    except (RecordError, TargetError) as error:
        raise click.ClickException(str(error)) from error


def _kept(path: Path) -> str:
    if not journal_path(path).exists():
        return "nothing was measured yet"
    return f"what was measured is in {journal_path(path)}: give the same command again to go on"
