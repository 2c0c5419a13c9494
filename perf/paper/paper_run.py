"""The experiment: for each model a fresh server, all dialogues one after the other, one request at a time."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from perf.data.dialogues import Dialogue
from perf.paper.paper_node import Node, serving
from perf.paper.paper_samples import Sample, Skipped, Turn, decode
from perf.paper.play_dialogues import Player, Record, Rules
from perf.record.journal import Journal
from perf.record.sample_rows import encode
from perf.targets.target import TargetError

Serve = Callable[[str, str], AbstractAsyncContextManager[Node]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model of the experiment: as it was given, and what it is called in the results."""

    given: str
    name: str


@dataclass(slots=True)
class Experiment:
    """What is played, and the journal that keeps it. `missing` fills with what could not be measured."""

    dialogues: Sequence[Dialogue]
    max_tokens: int
    deadline_s: float
    journal: Journal
    missing: list[str] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        """So far."""
        return [decode(row) for row in self.journal.samples]

    def num_turns(self, contestants: Sequence[Contestant]) -> int:
        """Turns of the whole experiment."""
        return len(contestants) * sum(len(dialogue.questions) for dialogue in self.dialogues)

    def num_left(self, contestants: Sequence[Contestant]) -> int:
        """Turns that the journal does not have."""
        return sum(self._left(Record(each.name, self.samples)) for each in contestants)

    def _left(self, record: Record) -> int:
        return sum(len(record.left(dialogue)) for dialogue in self.dialogues)

    async def run(
        self, contestants: Sequence[Contestant], advance: Callable[[str], None], serve: Serve = serving
    ) -> None:
        """Every model; one that cannot be served or is lost is noted in `missing`, and the next one comes."""
        for contestant in contestants:
            try:
                if self._left(Record(contestant.name, self.samples)):
                    await self._model(contestant, advance, serve)
            except TargetError as error:
                left = self._left(Record(contestant.name, self.samples))
                self.missing.append(f"{contestant.name}: {left} turns not played: {error}")
            else:
                self._say_if_nothing_was_played(contestant.name)

    async def _model(self, contestant: Contestant, advance: Callable[[str], None], serve: Serve) -> None:
        record = Record(contestant.name, self.samples)
        async with serve(contestant.given, contestant.name) as node:
            self._add(node.started)
            started = node.started
            rules = Rules(self.max_tokens, self.deadline_s, started.context_length, started.raw)
            player = Player(contestant.name, node.target, rules, node.sampler, self._add)
            for dialogue in self.dialogues:
                await player.play(dialogue, record, advance)

    def _say_if_nothing_was_played(self, name: str) -> None:
        """A model whose every dialogue was skipped has no figures: without a word it would be lost."""
        own = [sample for sample in self.samples if sample.model == name]
        if not any(isinstance(sample, Turn) for sample in own):
            reason = next((sample.reason for sample in own if isinstance(sample, Skipped)), "no dialogues")
            self.missing.append(f"{name}: no turn was played: {reason}")

    def _add(self, sample: Sample) -> None:
        self.journal.add(encode(sample))
