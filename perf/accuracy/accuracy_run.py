"""Scores questions on one node, several at once; every item is kept as soon as it is known."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from perf.accuracy.accuracy_samples import Item, Sample, Scored, SkippedItem
from perf.accuracy.paired_accuracy import item, requests
from perf.accuracy.question_tasks import By, Question, Task, candidates
from perf.accuracy.scorer import Scorer
from perf.record.record_errors import RecordError
from perf.targets.target import TargetError

IN_FLIGHT = 1
"""One at a time gives the same scores again, to the bit. With more, cells of the cache lie in another order
and llama.cpp sums in it: a small quantised model turns that rounding into tenths of a nat."""

Add = Callable[[Sample], None]


@dataclass(frozen=True, slots=True)
class Examiner:
    """One model's questions. `add` is given every sample at once; `advance` is called for each item."""

    model: str
    task: Task
    by: By
    scorer: Scorer
    add: Add
    advance: Callable[[], None]

    async def run(self, questions: Sequence[Question], in_flight: int = IN_FLIGHT) -> None:
        """All questions. Raises TargetError when the node is lost, what `add` raises; the rest is kept."""
        started = time.monotonic()
        left = iter(questions)
        done: list[str] = []
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(in_flight, len(questions))):
                    group.create_task(self._some(left, done))
        except* (TargetError, RecordError) as errors:
            raise _first(errors) from None
        finally:
            self.add(Scored(self.model, len(done), time.monotonic() - started))

    async def _some(self, left: Iterator[Question], done: list[str]) -> None:
        for question in left:
            self.add(await self._one(question))
            done.append(question.id)
            self.advance()

    async def _one(self, question: Question) -> Item | SkippedItem:
        texts = candidates(question, self.task, self.by)
        started = time.monotonic()
        try:
            scores = {
                prompt: await self.scorer.score(prompt, each) for prompt, each in requests(texts).items()
            }
        except TargetError as error:
            if error.code != "invalid":
                raise
            return SkippedItem(self.model, question.id, question.line, question.category, str(error))
        return item(question, texts, scores, model=self.model, seconds=time.monotonic() - started)


def _first(errors: BaseExceptionGroup[Exception]) -> Exception:
    """The others are most likely of the same cause."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def left_of(questions: Sequence[Question], model: str, samples: Sequence[Sample]) -> list[Question]:
    """The questions that no sample of the model answers."""
    known = {
        sample.id for sample in samples if isinstance(sample, Item | SkippedItem) and sample.model == model
    }
    return [question for question in questions if question.id not in known]
