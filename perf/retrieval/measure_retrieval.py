"""The parts of the measurement: the cost of a search, crashes, what is found, and answers with it."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perf.bar_table import Sample
from perf.cli.given_models import GivenModel
from perf.data.questions import MultipleChoice
from perf.record.result_schema import Target
from perf.retrieval.corpus import Asked, Text, answerable, take_sentences
from perf.retrieval.grounded_accuracy import is_right
from perf.retrieval.killed_writer import kill_writers
from perf.retrieval.ranking_quality import WAYS, figures, rank_of, store
from perf.retrieval.search_cost import costs_ms
from perf.round_loop import BarRun, NotMeasured
from perf.server_processes import OurServer
from perf.targets.measured import targets_of
from xapp.client import Client, ClientError

PARTS = ("cost", "crash", "ranking", "accuracy")
LOAD_S = 120.0
CLOZE, CHOICE = "sentences", "questions"
PLACES = 100_000


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured on: the corpus, multiple-choice questions, the embedding model, and how much."""

    texts: Sequence[Text]
    questions: Sequence[MultipleChoice]
    embedder: Path
    reranker: Path | None
    num_passages: int
    num_kills: int
    num_asked: int


class Measurement:
    """One model that generates, one that embeds."""

    def __init__(self, run: BarRun, model: GivenModel, work: Work) -> None:
        self._run = run
        self._model = model
        self._work = work
        self.targets: list[Target] = targets_of(model.name, model.digest, None, None)

    def measure(self, part: str, number: int) -> Iterator[Sample]:
        """One round of one part."""
        parts = {
            "cost": self._cost,
            "crash": self._crash,
            "ranking": self._ranking,
            "accuracy": self._accuracy,
        }
        with self._run.tolerating(part, number):
            yield from parts[part](number)

    def _cost(self, number: int) -> Iterator[Sample]:
        _, asked = take_sentences(self._work.texts, number, self._work.num_asked)
        queries = [each.query for each in asked]
        for place, cost in enumerate(costs_ms(self._work.texts, queries, self._work.num_passages, number)):
            yield Sample(self._place(number, place), "cost.cpu_ms", cost)

    def _crash(self, number: int) -> Iterator[Sample]:
        with tempfile.TemporaryDirectory() as folder:
            found = list(kill_writers(Path(folder), self._work.num_kills, number))
        yield Sample(number, "crash.kills", len(found))
        yield Sample(number, "crash.lost", sum(each.lost for each in found))
        yield Sample(number, "crash.torn", sum(each.torn for each in found))

    def _ranking(self, number: int) -> Iterator[Sample]:
        texts, cloze = take_sentences(self._work.texts, number, self._work.num_asked)
        chosen = [asked for _, asked in self._answerable()]
        with self._serving() as target:
            for kind, corpus, asked in ((CLOZE, texts, cloze), (CHOICE, self._work.texts, chosen)):
                ranks = asyncio.run(_ranks(target, kind, corpus, asked, self._ways))
                for way, found in ranks.items():
                    for name, values in figures(found):
                        key = f"{kind}.{way}.{name}"
                        yield from (
                            Sample(self._place(number, at), key, value) for at, value in enumerate(values)
                        )

    def _accuracy(self, number: int) -> Iterator[Sample]:
        questions = [question for question, _ in self._answerable()]
        with self._serving() as target:
            pairs = asyncio.run(_answers(target, self._work.texts, questions))
        for at, (without, with_passages) in enumerate(pairs):
            place = self._place(number, at)
            yield Sample(place, "accuracy.without", without)
            yield Sample(place, "accuracy.with", with_passages)
            yield Sample(place, "accuracy.difference", with_passages - without)

    def _answerable(self) -> list[tuple[MultipleChoice, Asked]]:
        return answerable(self._work.texts, self._work.questions)[: self._work.num_asked]

    def _place(self, number: int, at: int) -> int:
        """Each question of each round is a sample of its own."""
        return number * PLACES + at

    @property
    def _models(self) -> list[Path]:
        return [self._work.embedder, *([self._work.reranker] if self._work.reranker else [])]

    @property
    def _ways(self) -> list[str]:
        """The ways of searching. Without a reranker the node has nothing better than the same vectors."""
        return [way for way, (_, rerank) in WAYS.items() if self._work.reranker or not rerank]

    @contextmanager
    def _serving(self) -> Iterator[str]:
        """The address of a node with both models and a folder for collections."""
        with tempfile.TemporaryDirectory() as folder:
            settings = {
                "XAPP_MODELS": ",".join(map(str, self._models)),
                "XAPP_RETRIEVAL_FOLDER": folder,
                "XAPP_RETRIEVAL_RERANK_MODEL": self._work.reranker.stem if self._work.reranker else "",
                "XAPP_DEADLINE_ADMISSION": "false",
            }
            with OurServer(self._model.given, settings) as server:
                server.wait_until_serving()
                try:
                    asyncio.run(_load(server.target, self._models))
                    yield server.target
                except ClientError as error:
                    raise NotMeasured(str(error)) from error


async def _load(target: str, models: Sequence[Path]) -> None:
    async with Client(target) as client:
        for model in models:
            async for _ in client.load_model(model.stem, deadline_s=LOAD_S):
                pass


async def _ranks(
    target: str, kind: str, texts: Sequence[Text], asked: Sequence[Asked], ways: Sequence[str]
) -> dict[str, list[int]]:
    """The rank of each question, by the way of searching; nothing without questions."""
    if not asked:
        return {}
    async with Client(target) as client:
        await store(client, kind, texts)
        return {way: [await rank_of(client, kind, each, way) for each in asked] for way in ways}


async def _answers(
    target: str, texts: Sequence[Text], questions: Sequence[MultipleChoice]
) -> list[tuple[float, float]]:
    """For each question whether the answer is right without passages, and with them."""
    if not questions:
        raise NotMeasured("no question has its answer in the corpus")
    async with Client(target) as client:
        await store(client, CHOICE, texts)
        return [
            (float(await is_right(client, each, "")), float(await is_right(client, each, CHOICE)))
            for each in questions
        ]


def measure_retrieval(run: BarRun, model: GivenModel, work: Work, parts: Sequence[str]) -> list[Target]:
    """Every part in each round. Who was measured."""
    measurement = Measurement(run, model, work)
    run.all({part: partial(measurement.measure, part) for part in parts})
    return measurement.targets
