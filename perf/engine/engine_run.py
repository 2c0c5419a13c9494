"""The run: rounds in which the contenders take turns, and the memory is read in between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.callers.prompt_texts import decode_work
from perf.engine import memory_bandwidth
from perf.engine.engine_lineup import Lineup, sample_of
from perf.engine.engine_samples import BandwidthSample, BytesSample, Sample, StepsSample
from perf.engine.memory_bandwidth import Read, Reading
from perf.engine.weight_bytes import bytes_of
from perf.engine_outcome import EngineOutcome
from perf.json_child import Child, ChildError
from perf.process_under_test import StartError
from perf.record.journal import Journal
from perf.round_loop import RoundLoop
from perf.targets.target import TargetError
from xapp.config import Settings
from xapp.rotation import rotated

CONTENDERS = ("bare", "worker", "client")
_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured."""

    settings: Settings
    model_path: Path
    streams: Sequence[int]
    rounds: int
    seed: int

    @property
    def total(self) -> int:
        """Samples of steps of a complete run."""
        return self.rounds * len(self.streams) * len(CONTENDERS)


@dataclass(slots=True)
class Outcome(EngineOutcome[Sample]):
    """What came of a Plan so far."""

    def steps(self) -> set[tuple[int, int, str]]:
        """Round, streams and contender of what is there."""
        found = (each for each in self.samples if isinstance(each, StepsSample))
        return {(each.round, each.num_streams, each.contender) for each in found}


class Run:
    """Plays a Plan. `advance` is called once a sample of steps."""

    def __init__(self, plan: Plan, journal: Journal, advance: Callable[[str], None]) -> None:
        self._plan = plan
        self._loop: RoundLoop[Sample] = RoundLoop(plan.rounds, journal, Sample)
        self._advance = advance
        self.outcome = Outcome(self._loop.samples, noise=self._loop.noise)

    def play(self) -> Outcome:
        """All rounds. What ends one in the middle ends the run; what was measured is kept."""
        for number in self._loop.rounds(self._is_left):
            try:
                self._round(number)
            except (ChildError, StartError, TargetError, OSError) as error:
                self.outcome.lost = str(error)
                break
        return self.outcome

    def _is_left(self, number: int) -> bool:
        wanted = {(number, count, name) for count in self._plan.streams for name in CONTENDERS}
        return not wanted <= self.outcome.steps()

    def _round(self, number: int) -> None:
        plan = self._plan
        with Lineup(plan.settings.node.model, plan.model_path, plan.settings.engine) as contenders:
            self.outcome.engine_config = contenders.engine_config
            self._know_bytes(contenders)
            contenders.warm_up(max(plan.streams))
            for count in plan.streams:
                self._turns(contenders, number, count)
        # With the contenders gone: nobody else reads memory, and their pages leave room for the buffer.
        self._read_memory(number, contenders.engine_config.num_threads)

    def _turns(self, contenders: Lineup, number: int, count: int) -> None:
        work = decode_work(count, (self._plan.seed * _SEEDS + number) * 16 + count)
        for name in rotated(list(CONTENDERS), number):
            if (number, count, name) in self.outcome.steps():
                continue
            try:
                self._loop.keep(sample_of(number, name, work, contenders.contenders[name](work)))
            except ValueError as error:
                note = f"round {number + 1}, {count} streams, {name}: {error}: no sample"
                self.outcome.notes.append(note)
            self._advance(f"round {number + 1}, {count} streams")

    def _know_bytes(self, contenders: Lineup) -> None:
        if not any(isinstance(each, BytesSample) for each in self.outcome.samples):
            self._loop.keep(bytes_of(self._plan.model_path, contenders.kv_cell_bytes))

    def _read_memory(self, number: int, threads: int) -> None:
        with Child("perf.engine.memory_bandwidth") as reader:
            asked = Read(threads, memory_bandwidth.MAX_BYTES)
            readings = msgspec.json.decode(reader.ask(asked), type=list[Reading])
        for each in readings:
            self._loop.keep(BandwidthSample(round=number, **msgspec.structs.asdict(each)))
