"""The run: each group of prompts is answered by every strategy in turn, in each round."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from perf.engine_config import EngineConfig
from perf.engine_outcome import EngineOutcome
from perf.json_child import Child, ChildError
from perf.record.journal import Journal
from perf.round_loop import RoundLoop
from perf.speculation.engine_child import Margin, Play, Played, Price, Read
from perf.speculation.predict_gain import HARDWARE, HERE, measured_curve, predicted_speedup
from perf.speculation.speculation_samples import (
    PartingSample,
    PlaySample,
    PredictionSample,
    PriceSample,
    Sample,
)
from xapp.config import EngineSettings
from xapp.domain.messages import ModelInfo
from xapp.rotation import rotated

ROWS = [1, 2, 3, 4, 6, 8, 12, 16]
PLAIN = "plain"


class Group(NamedTuple):
    """Questions that are answered together."""

    category: str
    streams: int
    number: int
    texts: list[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured. Prompts longer than the context are left out."""

    model_path: Path
    settings: EngineSettings
    questions: dict[str, list[str]]
    strategies: Sequence[str]
    streams: Sequence[int]
    rounds: int
    max_tokens: int
    cells: int

    def groups(self) -> Iterator[Group]:
        """Full groups only. Categories take turns, so that a part of a run has some of each."""
        for streams in self.streams:
            for number in range(max(map(len, self.questions.values())) // streams):
                for category, texts in self.questions.items():
                    some = texts[number * streams : (number + 1) * streams]
                    if len(some) == streams:
                        yield Group(category, streams, number, some)

    @property
    def total(self) -> int:
        """Plays of a complete run."""
        return self.rounds * len(self.strategies) * sum(1 for _ in self.groups())


@dataclass(slots=True)
class Outcome(EngineOutcome[Sample]):
    """What came of a Plan so far."""

    @property
    def plays(self) -> list[PlaySample]:
        """The plays."""
        return [each for each in self.samples if isinstance(each, PlaySample)]

    def has(self, round_: int, group: Group) -> bool:
        """Whether the group was played in that round."""
        wanted = (round_, group.category, group.streams, group.number)
        return any((each.round, each.category, each.streams, each.group) == wanted for each in self.plays)


class Run:
    """Plays a Plan. `advance` is called once a play."""

    def __init__(self, plan: Plan, journal: Journal, advance: Callable[[str], None]) -> None:
        self._plan = plan
        self._loop: RoundLoop[Sample] = RoundLoop(plan.rounds, journal, Sample)
        self._advance = advance
        self.outcome = Outcome(self._loop.samples, noise=self._loop.noise)

    def play(self) -> Outcome:
        """All rounds. What ends the engine ends the run; what was measured is kept."""
        encoded = msgspec.json.encode(self._plan.settings).decode()
        arguments = ("--model", str(self._plan.model_path), "--settings", encoded)
        try:
            with Child("perf.speculation.engine_child", *arguments) as child:
                info = msgspec.json.decode(child.greeting, type=ModelInfo)
                self.outcome.engine_config = EngineConfig.of(info, self._plan.settings.batch_tokens)
                for number in self._loop.rounds(lambda _: True):
                    self._round(child, number, info.context_length)
        except (ChildError, OSError) as error:
            self.outcome.lost = str(error)
        return self.outcome

    def _round(self, child: Child, number: int, context_length: int) -> None:
        self._price(child, number, min(self._plan.cells, context_length - max(ROWS) - 1))
        for group in self._plan.groups():
            if self.outcome.has(number, group):
                continue
            prompts = [_tokens(child, text) for text in group.texts]
            if all(len(prompt) + self._plan.max_tokens <= context_length for prompt in prompts):
                self._group(child, number, group, prompts)
            elif not number:
                self.outcome.notes.append(f"left out, over the context length: {group[:3]}")

    def _price(self, child: Child, number: int, cells: int) -> None:
        if any(isinstance(each, PriceSample) and each.round == number for each in self.outcome.samples):
            return
        reply = child.ask(Price(ROWS, cells))
        for rows, seconds in zip(ROWS, msgspec.json.decode(reply, type=list[float]), strict=True):
            self._loop.keep(PriceSample(number, rows, cells, seconds))

    def _group(self, child: Child, number: int, group: Group, prompts: list[list[int]]) -> None:
        category, streams, place, _ = group
        played: dict[str, Played] = {}
        for strategy in rotated(list(self._plan.strategies), number):
            reply = child.ask(Play(prompts, self._plan.max_tokens, strategy))
            played[strategy] = msgspec.json.decode(reply, type=Played)
            self._advance(f"round {number + 1}, {category}, {streams} streams")
        for strategy, found in played.items():
            self._loop.keep(
                PlaySample(
                    number, category, place, streams, strategy, found.num_tokens, found.seconds,
                    found.num_drafted, found.num_accepted, found.num_draft_steps,
                )
            )  # fmt: skip
        if not number and streams == 1:
            self._predict(group, prompts[0], played[PLAIN].answers[0])
        for strategy in (each for each in played if each != PLAIN):
            pairs = zip(prompts, played[PLAIN].answers, played[strategy].answers, strict=True)
            for prompt, plain, other in pairs:
                if (parting := _parting(child, prompt, plain, other)) is not None:
                    self._loop.keep(PartingSample(number, category, place, streams, strategy, *parting))

    def _predict(self, group: Group, prompt: list[int], answer: list[int]) -> None:
        prices = [each for each in self.outcome.samples if isinstance(each, PriceSample)]
        here = measured_curve({each.rows: each.seconds for each in prices})
        for node, cost in {HERE: here, **HARDWARE}.items():
            speedup = predicted_speedup(prompt, answer, cost)
            self._loop.keep(PredictionSample(group.category, group.number, node, speedup))


def _tokens(child: Child, text: str) -> list[int]:
    return msgspec.json.decode(child.ask(Read(text)), type=list[int])


def _parting(child: Child, prompt: list[int], plain: list[int], other: list[int]) -> tuple[int, float] | None:
    """The first place with different tokens, and the margin there. An answer that ends earlier has no token
    there, and no margin: 0.
    """
    if plain == other:
        return None
    pairs = enumerate(zip(plain, other, strict=False))
    place = next((place for place, (one, two) in pairs if one != two), None)
    if place is None:
        return min(len(plain), len(other)), 0.0
    reply = child.ask(Margin(prompt + plain[:place], plain[place], other[place]))
    return place, msgspec.json.decode(reply, type=float)
