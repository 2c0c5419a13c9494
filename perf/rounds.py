"""Rounds of a benchmark with bars: alone on the machine, in turns, and what was measured is kept."""

import fcntl
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console

from perf import peers, table
from perf.child import ChildError
from perf.contenders import LOGS
from perf.machine import Noise, NoiseMeter
from perf.processes import StartError
from perf.table import Report, Sample
from perf.targets.target import TargetError

RESULTS = peers.ROOT / "perf" / "results" / "local"

_PLAIN_WIDTH = 120
Measure = Callable[[int], Iterable[Sample]]
_T = TypeVar("_T")


class NotMeasured(Exception):
    """What a figure is made of did not come: too few answers, or other ones than were asked for."""


class Run:
    """The samples so far, the noise of each round, and what could not be measured, in words."""

    def __init__(self, rounds: int, console: Console) -> None:
        self.rounds = rounds
        self.samples: list[Sample] = []
        self.noise: list[Noise] = []
        self.missing: list[str] = []
        self._console = console

    def repeat(self, name: str, measure: Measure) -> None:
        """As many rounds as were asked for."""
        for number in range(self.rounds):
            self.once(name, number, measure)

    def once(self, name: str, number: int, measure: Measure) -> None:
        """One round. Each sample counts from when it is there, whatever comes after it."""
        self._console.print(f"{name}: round {number + 1} of {self.rounds}", style="dim")
        meter = NoiseMeter()
        for sample in measure(number):
            self.samples.append(sample)
        self.noise.append(meter.read())

    @contextmanager
    def tolerating(self, what: str, number: int) -> Iterator[None]:
        """What goes wrong with a contender costs what is measured inside, and no more."""
        try:
            yield
        except (ChildError, StartError, TargetError, NotMeasured) as error:
            self.missing.append(f"{what}, round {number + 1}: {error}")
            self._console.print(self.missing[-1], style="red", markup=False)


def rotated(items: Sequence[_T], number: int) -> list[_T]:
    """The same items, another one first each round: drift favours nobody."""
    shift = number % len(items)
    return [*items[shift:], *items[:shift]]


@contextmanager
def alone() -> Iterator[None]:
    """Two benchmarks at once would measure each other. Raises ClickException when one runs."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise click.ClickException("another benchmark is running here") from error
        yield


def chosen(parts: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """The callback of an option that names some of `parts`, separated by commas; none is all."""

    def parse(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
        found = value.split(",") if value else list(parts)
        if unknown := set(found) - set(parts):
            raise click.BadParameter(f"{', '.join(sorted(unknown))}: not one of {', '.join(parts)}")
        return found

    return parse


def plain_console() -> Console:
    """The terminal; what is no terminal is wide enough for the table."""
    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


def clean_up_on_sigterm() -> None:
    """A benchmark that is told to stop must not leave servers behind: it leaves through the clean-up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def deliver(report: Report, subject: str, out: Path | None, console: Console) -> None:
    """Shows it and writes it, to `out` or under a name of its own, as JSON and as a table."""
    table.show(report, console)
    path = out or RESULTS / f"{subject}-{report.machine.started_at.replace(':', '')}.json"
    table.write(report, path)
    click.echo(f"written: {path}, and the table as {path.with_suffix('.md').name}")
