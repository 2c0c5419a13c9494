from pathlib import Path

import pytest

from perf.accuracy.accuracy_run import Examiner, left_of
from perf.accuracy.accuracy_samples import Item, Sample, Scored, SkippedItem, decode
from perf.accuracy.question_tasks import By, Task
from perf.record.record_errors import RecordError
from perf.record.sample_rows import encode
from perf.targets.target import TargetError
from tests.perf.accuracy.scoring import Words, winogrande

QUESTIONS = [winogrande(number) for number in range(1, 7)]


class Room:
    """An examiner, what it added and how often it got on."""

    def __init__(self, scorer: Words) -> None:
        self.samples: list[Sample] = []
        self.steps = 0
        self.examiner = Examiner("m", Task.WINOGRANDE, By.LETTER, scorer, self.samples.append, self.step)

    def step(self) -> None:
        self.steps += 1

    def items(self) -> list[Item]:
        return [sample for sample in self.samples if isinstance(sample, Item)]


@pytest.mark.parametrize("in_flight", [1, 3, 50])
async def test_every_question_is_asked_once(in_flight: int) -> None:
    scorer = Words("wins.")
    room = Room(scorer)
    await room.examiner.run(QUESTIONS, in_flight)
    assert sorted(item.id for item in room.items()) == [question.id for question in QUESTIONS]
    assert room.steps == len(scorer.asked) == 6
    last = room.samples[-1]
    assert isinstance(last, Scored)
    assert last.num_items == 6


async def test_what_the_node_will_not_take_is_skipped() -> None:
    room = Room(Words(refused="3 "))
    await room.examiner.run(QUESTIONS, 2)
    assert [sample for sample in room.samples if isinstance(sample, SkippedItem)] == [
        SkippedItem("m", "w3", 3, "", "the prompt is too long")
    ]
    assert len(room.items()) == 5


async def test_a_lost_node_ends_the_run_and_what_was_scored_is_kept() -> None:
    room = Room(Words(lost_at="4 "))
    with pytest.raises(TargetError, match="the node is gone"):
        await room.examiner.run(QUESTIONS, 1)
    assert [item.id for item in room.items()] == ["w1", "w2", "w3"]
    assert [each.id for each in left_of(QUESTIONS, "m", room.samples)] == ["w4", "w5", "w6"]


async def test_a_full_disk_is_told_as_such() -> None:
    def full(_sample: Sample) -> None:
        raise RecordError(Path("x"), "no space left")

    examiner = Examiner("m", Task.WINOGRANDE, By.LETTER, Words(), full, lambda: None)
    with pytest.raises(RecordError, match="no space left"):
        await examiner.run(QUESTIONS, 2)


async def test_a_run_goes_on_with_the_questions_of_its_own_model() -> None:
    room = Room(Words(refused="2 "))
    await room.examiner.run(QUESTIONS[:3], 1)
    kept = [decode(encode(sample)) for sample in room.samples]
    assert [each.id for each in left_of(QUESTIONS, "m", kept)] == ["w4", "w5", "w6"]
    assert len(left_of(QUESTIONS, "other", kept)) == 6
