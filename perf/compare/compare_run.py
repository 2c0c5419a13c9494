"""The run: rounds in which every target plays every load, one at a time, another one first each round.

Servers of this run start anew for each round: where a process's memory happens to lie stays with it, and
must not be taken for a difference between servers. A target that is lost in the middle is left out from
there on; what was measured is kept.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from perf.callers.load_commands import Command, Decode, Prime
from perf.callers.text_maker import TextMaker, warm_up
from perf.compare.compare_figures import load_name
from perf.compare.compare_loads import DecodeLoad, Load
from perf.compare.compare_samples import ECHO, DecodeSample, Sample
from perf.compare.contestant import Contestant
from perf.compare.entrants import Entrant, NetworkSetup, Setting
from perf.compare.stream_samples import Turn, sample_of
from perf.machine import Noise
from perf.record import result_schema
from perf.record.journal import Journal
from perf.round_loop import RoundLoop
from perf.targets.target import TargetError
from xapp.rotation import rotated

_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured. The first entrant is ours."""

    entrants: Sequence[Entrant]
    loads: Sequence[Load]
    rounds: int
    seed: int
    model_path: Path
    network: NetworkSetup

    @property
    def total(self) -> int:
        """Samples of a complete run."""
        return self.rounds * sum(len(self.loads_of(each.name)) for each in self.entrants)

    def loads_of(self, name: str) -> list[Load]:
        """What a target plays: the echo only steady decoding, whose pace it is given."""
        return [each for each in self.loads if name != ECHO or isinstance(each, DecodeLoad)]


@dataclass(slots=True)
class Outcome:
    """What came of it so far. `lost` is why, by target."""

    samples: list[Sample]
    targets: dict[str, result_schema.Target] = field(default_factory=dict)
    noise: list[Noise] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)

    def has(self, number: int, load: str, target: str) -> bool:
        """Whether that sample is there."""
        return self.get(number, load, target) is not None

    def get(self, number: int, load: str, target: str) -> Sample | None:
        """That sample."""
        wanted = (number, load, target)
        found = (each for each in self.samples if (each.round, load_name(each), each.target) == wanted)
        return next(found, None)


class Run:
    """Plays a Plan. `advance` is called with a word on what is next, once a sample."""

    def __init__(self, plan: Plan, journal: Journal, advance: Callable[[str], None]) -> None:
        self._plan = plan
        self._loop: RoundLoop[Sample] = RoundLoop(plan.rounds, journal, Sample)
        self._advance = advance
        self.outcome = Outcome(self._loop.samples, noise=self._loop.noise)

    def play(self) -> Outcome:
        """All rounds. Raises TargetError when somebody is not there in the first that is played."""
        for number in self._loop.rounds(self._is_left):
            self._round(number)
        return self.outcome

    def _present(self) -> list[Entrant]:
        """Who still takes part; without ours there is nothing to compare with."""
        ours, *_ = self._plan.entrants
        if ours.name in self.outcome.lost:
            return []
        return [each for each in self._plan.entrants if each.name not in self.outcome.lost]

    def _is_left(self, number: int) -> bool:
        return len(self._present()) > 1 and any(
            not self.outcome.has(number, load.name, entrant.name)
            for entrant in self._present()
            for load in self._plan.loads_of(entrant.name)
        )

    def _round(self, number: int) -> None:
        with ExitStack() as stack:
            contestants = self._enter(stack)
            if self._lacks_somebody():
                return
            maker = stack.enter_context(TextMaker(contestants[0].target.address))
            for contestant in contestants:
                self._guarded(contestant.name, partial(contestant.play, warm_up(number)))
            for load in self._plan.loads:
                self._turns(contestants, load, number, maker)

    def _enter(self, stack: ExitStack) -> list[Contestant]:
        """Ours first: the others take over its sizes."""
        setting = Setting(stack, self._plan.network, self._plan.model_path)
        contestants: list[Contestant] = []
        for entrant in self._present():
            try:
                contestant = entrant.enter(setting)
            except TargetError as error:
                if not self.outcome.targets.get(entrant.name):
                    raise
                self.outcome.lost[entrant.name] = str(error)
                if entrant is self._plan.entrants[0]:
                    break
                continue
            contestants.append(contestant)
            self.outcome.targets[entrant.name] = contestant.target
            setting = replace(setting, engine_config=setting.engine_config or contestant.target.engine_config)
        return contestants

    def _lacks_somebody(self) -> bool:
        return len(self._present()) < 2

    def _turns(self, contestants: list[Contestant], load: Load, number: int, maker: TextMaker) -> None:
        by_name = {each.name: each for each in contestants}
        # The echo comes last: its pace is what ours was.
        names = [*rotated([name for name in by_name if name != ECHO], number), *({ECHO} & by_name.keys())]
        for position, name in enumerate(names):
            turn = Turn(number, position, name)
            gone = name in self.outcome.lost or self._lacks_somebody()
            due = load in self._plan.loads_of(name) and not self.outcome.has(number, load.name, name)
            if due and not gone:
                self._guarded(name, partial(self._one, by_name[name], load, turn, maker))

    def _one(self, contestant: Contestant, load: Load, turn: Turn, maker: TextMaker) -> None:
        command = self._command(contestant, load, turn, maker)
        if isinstance(command, Decode) and not contestant.queues and contestant.name != ECHO:
            contestant.play(Prime(command.prompts))
        seen, costs = contestant.play(command)
        sample = sample_of(command, seen, turn, costs)
        self._loop.keep(sample)
        self._advance(f"round {turn.round + 1}, {load.name}, {turn.target}")

    def _command(self, contestant: Contestant, load: Load, turn: Turn, maker: TextMaker) -> Command:
        if contestant.name != ECHO:
            return maker.make(
                partial(load.command, seed=self._plan.seed * _SEEDS + turn.round, queues=contestant.queues)
            )
        ours = self.outcome.get(turn.round, load.name, self._plan.entrants[0].name)
        if not isinstance(ours, DecodeSample):
            raise TargetError("invalid", f"{ECHO}: ours has no pace in {load.name}")
        return paced(ours)

    def _guarded(self, name: str, what: Callable[[], object]) -> None:
        """A target that fails is lost, with the reason."""
        try:
            what()
        except TargetError as error:
            self.outcome.lost[name] = str(error)
        except ValueError as error:
            self.outcome.lost[name] = f"{name}: its answers say nothing: {error}"


def paced(ours: DecodeSample) -> Decode:
    """As many streams as ours had, with as many pieces, at its steps; the prompt is the time of a step."""
    rate = ours.decode_tokens_per_second
    step_s = ours.num_streams / rate if rate else ours.itl_p50_s
    return Decode([str(step_s)] * ours.num_streams, ours.num_arrivals // ours.num_streams)


def missing(plan: Plan, outcome: Outcome) -> list[str]:
    """For people: what a partial run lacks, and why."""
    lines = []
    for entrant in plan.entrants:
        lacking = [
            f"{load.name} of round {number + 1}"
            for number in range(plan.rounds)
            for load in plan.loads_of(entrant.name)
            if not outcome.has(number, load.name, entrant.name)
        ]
        if lacking:
            why = outcome.lost.get(entrant.name, "too few targets were left to compare")
            lines.append(f"{entrant.name}: {len(lacking)} samples from {lacking[0]} on ({why})")
    return lines
