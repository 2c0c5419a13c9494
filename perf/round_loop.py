"""Rounds of a benchmark: alone on the machine, in turns, and what was measured is kept in a journal."""

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import click
import msgspec

from perf.bar_table import Sample
from perf.json_child import ChildError
from perf.machine import Noise, NoiseMeter
from perf.process_under_test import StartError
from perf.record.journal import Journal
from perf.record.sample_rows import encode
from perf.server_processes import LOGS
from perf.targets.target import TargetError

Measure = Callable[[int], Iterable[Sample]]
_T = TypeVar("_T")
_S = TypeVar("_S", bound=msgspec.Struct)


class NotMeasured(Exception):
    """What a figure is made of did not come: too few answers, or other ones than were asked for."""


class RoundLoop(Generic[_S]):
    """Rounds, the noise of each, and every sample, those of an earlier run from the journal first.

    `kind` is the type of a sample: a tagged struct, or a union of them.
    """

    def __init__(self, num_rounds: int, journal: Journal, kind: Any) -> None:
        self.num_rounds = num_rounds
        self.samples: list[_S] = [msgspec.convert(each, type=kind) for each in journal.samples]
        self.noise: list[Noise] = []
        self._journal = journal

    def rounds(self, is_left: Callable[[int], bool]) -> Iterator[int]:
        """The rounds of which something is left, one after another; each is metered."""
        for number in range(self.num_rounds):
            if is_left(number):
                meter = NoiseMeter()
                yield number
                self.noise.append(meter.read())

    def keep(self, sample: _S) -> None:
        """From here on it is there, whatever comes after it. Raises RecordError."""
        self._journal.add(encode(sample))
        self.samples.append(sample)


class PartDone(msgspec.Struct, frozen=True, tag_field="kind", tag="bar-part"):
    """A part of a round was measured in whole: it is not measured again when the run goes on."""

    round: int
    part: str


class BarRun:
    """Parts in rounds, for the modes with bars. `missing` says, for people, what could not be measured."""

    def __init__(self, num_rounds: int, journal: Journal, advance: Callable[[str], None]) -> None:
        self._loop: RoundLoop[Sample | PartDone] = RoundLoop(num_rounds, journal, Sample | PartDone)
        self._advance = advance
        self.missing: list[str] = []
        self.notes: list[str] = []

    @property
    def num_rounds(self) -> int:
        """As many as were asked for."""
        return self._loop.num_rounds

    @property
    def samples(self) -> list[Sample]:
        """In the order of measuring."""
        return [each for each in self._loop.samples if isinstance(each, Sample)]

    @property
    def noise(self) -> list[Noise]:
        """Of each round."""
        return self._loop.noise

    def repeat(self, part: str, measure: Measure) -> None:
        """One part, as many rounds as were asked for."""
        self.all({part: measure})

    def once(self, part: str, measure: Measure) -> None:
        """A part that has rounds of its own."""
        if PartDone(0, part) not in self._loop.samples:
            self._measure(part, 0, measure)

    def all(self, parts: Mapping[str, Measure]) -> None:
        """Every part in each round: drift of the machine favours none."""
        for number in self._loop.rounds(lambda number: bool(self._left(parts, number))):
            for part in self._left(parts, number):
                self._measure(part, number, parts[part])

    def _left(self, parts: Iterable[str], number: int) -> list[str]:
        return [part for part in parts if PartDone(number, part) not in self._loop.samples]

    def _measure(self, part: str, number: int, measure: Measure) -> None:
        lacking = len(self.missing)
        for sample in measure(number):
            self._loop.keep(sample)
        if len(self.missing) == lacking:
            self._loop.keep(PartDone(number, part))
        self._advance(f"{part}: round {number + 1}")

    @contextmanager
    def tolerating(self, what: str, number: int) -> Iterator[None]:
        """What goes wrong with a contender costs what is measured inside, and no more."""
        try:
            yield
        except (ChildError, StartError, TargetError, NotMeasured) as error:
            self.missing.append(f"{what}, round {number + 1}: {error}")


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
