from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from perf.paper.paper_node import Node
from perf.paper.paper_run import Contestant, Experiment
from perf.paper.paper_samples import Started, Turn
from perf.record.journal import Journal
from perf.record.record_errors import RecordError
from perf.targets.target import Input, TargetError
from tests.perf.paper.playing import DIALOGUES, Answering, Meter, started

A, B = Contestant("a.gguf", "a"), Contestant("b.gguf", "b")


class Serving:
    """Stands in for servers: `targets` by model; a model without one does not come up."""

    def __init__(self, **targets: Answering) -> None:
        self.targets = targets
        self.started: list[str] = []

    @asynccontextmanager
    async def __call__(self, given: str, name: str) -> AsyncIterator[Node]:
        self.started.append(given)
        if name not in self.targets:
            raise TargetError("unreachable", "it did not come up")
        yield Node(started(name), cast(Any, self.targets[name]), cast(Any, Meter()))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "paper.json", fingerprint={}) as found:
        yield found


def experiment(journal: Journal) -> Experiment:
    return Experiment(DIALOGUES, max_tokens=500, deadline_s=60.0, journal=journal)


def turns(found: Experiment, model: str) -> list[tuple[str, int]]:
    samples = [sample for sample in found.samples if isinstance(sample, Turn) and sample.model == model]
    return [(sample.dialogue, sample.turn) for sample in samples]


WHOLE = [("first", 0), ("first", 1), ("first", 2), ("second", 0), ("second", 1)]


def nothing(_what: str) -> None: ...


async def test_every_model_plays_every_dialogue_on_a_server_of_its_own(journal: Journal) -> None:
    found, serving = experiment(journal), Serving(a=Answering(), b=Answering())
    await found.run([A, B], nothing, serving)
    assert (turns(found, "a"), turns(found, "b")) == (WHOLE, WHOLE)
    assert serving.started == ["a.gguf", "b.gguf"]
    assert [each.model for each in found.samples if isinstance(each, Started)] == ["a", "b"]
    assert found.missing == []


async def test_what_is_lost_is_named_and_the_next_model_comes(journal: Journal) -> None:
    found = experiment(journal)
    await found.run([A, B], nothing, Serving(a=Answering(lost_at="three"), b=Answering()))
    assert found.missing == ["a: 3 turns not played: no answer to three"]
    assert turns(found, "b") == WHOLE


async def test_a_model_that_does_not_come_up_is_named(journal: Journal) -> None:
    found = experiment(journal)
    await found.run([A, B], nothing, Serving(b=Answering()))
    assert found.missing == ["a: 5 turns not played: it did not come up"]


class RefusingAll(Answering):
    """A server that takes no question at all."""

    async def count_tokens(self, input: Input) -> int:  # noqa: A002
        raise TargetError("invalid", "such questions are not taken")


async def test_a_model_of_which_nothing_was_played_is_missing_also_when_resumed(journal: Journal) -> None:
    for _ in range(2):
        found = experiment(journal)
        await found.run([A, B], nothing, Serving(a=RefusingAll(), b=Answering()))
        assert found.missing == ["a: no turn was played: such questions are not taken"]
    assert turns(found, "b") == WHOLE


async def test_a_run_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    out = tmp_path / "paper.json"
    with Journal.open(out, fingerprint={}) as journal:
        await experiment(journal).run([A], nothing, Serving(a=Answering(lost_at="three")))
    target = Answering()
    with Journal.open(out, fingerprint={}) as journal:
        found = experiment(journal)
        assert (found.num_turns([A]), found.num_left([A])) == (5, 3)
        await found.run([A], nothing, Serving(a=target))
        assert turns(found, "a") == WHOLE
        assert len(target.requests) == 3
        again = Serving()
        await found.run([A], nothing, again)
        assert again.started == []


async def test_a_full_disk_ends_the_run(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_sample: object) -> None:
        raise RecordError(journal.path, "no space left")

    monkeypatch.setattr(journal, "add", full)
    with pytest.raises(RecordError, match="no space left"):
        await experiment(journal).run([A], nothing, Serving(a=Answering()))
