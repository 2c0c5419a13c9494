"""Vectors of texts in the steps of the engine: whole texts, every vector once, urgent requests first."""

import struct
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale import examples
from xapp.backend.fake_embedder import CONTEXT_LENGTH, DIMENSIONS, FakeEmbedder, vector_of
from xapp.config import EngineSettings
from xapp.domain.messages import Embed, FinishReason, Priority, Submit
from xapp.engine.engine import Engine

MAX_BATCH = CONTEXT_LENGTH


@dataclass
class Asked:
    """A request, and what it brought."""

    texts: list[list[int]]
    priority: Priority = Priority.INTERACTIVE
    vectors: bytearray = field(default_factory=bytearray)
    reason: FinishReason | None = None

    @property
    def rows(self) -> list[list[float]]:
        numbers = struct.unpack(f"{len(self.vectors) // 4}f", self.vectors)
        return [list(numbers[start : start + DIMENSIONS]) for start in range(0, len(numbers), DIMENSIONS)]


class Harness:
    """An engine on a fake embedder. Each step's batch is checked."""

    def __init__(self, slots: int = 4) -> None:
        self.now = 1000.0
        settings = EngineSettings(slots=slots, batch_tokens=MAX_BATCH)
        self.backend = FakeEmbedder(settings)
        self.engine = Engine(self.backend, max_batch=MAX_BATCH, prefix_cache=False, clock=lambda: self.now)
        self.asked: list[Asked] = []

    def submit(self, asked: Asked, deadline: float | None = None) -> Asked:
        request = Submit(
            len(self.asked),
            max(asked.texts, key=len),
            1,
            priority=asked.priority,
            arrival=self.now,
            deadline=deadline,
            embed=Embed(asked.texts, normalized=False),
        )
        self.asked.append(asked)
        self.engine.submit(request)
        return asked

    def step(self) -> None:
        before = len(self.backend.batches)
        events = self.engine.step()
        assert all(size <= MAX_BATCH for size in self.backend.batches[before:])
        for embedded in events.embedded:
            asked = self.asked[embedded.request_id]
            assert asked.reason is None
            asked.vectors += embedded.vectors
        for finished in events.finished:
            asked = self.asked[finished.request_id]
            assert asked.reason is None, "ended twice"
            asked.reason = finished.reason
        self.now += 0.01

    def drain(self) -> None:
        for _ in range(5000):
            if not self.engine.has_work:
                return
            self.step()
        raise AssertionError("it never ends")


lengths = st.one_of(st.integers(1, 40), st.integers(1, CONTEXT_LENGTH))
texts = st.lists(lengths.map(lambda length: [length % 251] * length), min_size=1, max_size=12)
requests = st.builds(Asked, texts, st.sampled_from(Priority))


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(requests, st.integers(0, 3)), min_size=1, max_size=20), st.integers(1, 6))
def test_every_text_has_its_vector_once_and_in_order(todo: list[tuple[Asked, int]], slots: int) -> None:
    harness = Harness(slots)
    for asked, steps in todo:
        harness.submit(asked)
        for _ in range(steps):
            harness.step()
    harness.drain()
    for asked, _ in todo:
        assert asked.reason is FinishReason.STOP
        assert asked.rows == [vector_of(tokens) for tokens in asked.texts]
    stats = harness.engine.stats()
    assert (stats.num_running, stats.num_waiting, stats.num_prefill_left, stats.kv_cells_used) == (0, 0, 0, 0)
    assert stats.total_prefill_tokens == sum(len(each) for asked, _ in todo for each in asked.texts)


def test_a_step_takes_texts_of_several_requests() -> None:
    harness = Harness()
    one, other = Asked([[1] * 10, [2] * 10]), Asked([[3] * 10])
    harness.submit(one)
    harness.submit(other)
    harness.step()
    assert (one.reason, other.reason) == (FinishReason.STOP, FinishReason.STOP)
    assert harness.backend.batches == [30]


def test_somebody_who_waits_goes_before_a_thousand_passages() -> None:
    harness = Harness()
    many = harness.submit(Asked([[7] * 50] * 1000, Priority.BATCH))
    harness.step()
    assert 0 < len(many.rows) < 1000
    assert not harness.backend.hurried[-1], "nobody waits for this step"
    urgent = harness.submit(Asked([[1] * 20]))
    harness.step()
    assert urgent.reason is FinishReason.STOP
    assert harness.backend.hurried[-1]
    assert many.reason is None
    harness.drain()
    assert len(many.rows) == 1000


def test_a_cancelled_request_leaves_with_the_next_step() -> None:
    harness = Harness()
    many = harness.submit(Asked([[7] * 50] * 1000))
    harness.step()
    harness.engine.cancel(0)
    num_rows, num_batches = len(many.rows), len(harness.backend.batches)
    harness.step()
    assert many.reason is FinishReason.CANCELLED
    assert len(many.rows) == num_rows
    assert len(harness.backend.batches) == num_batches
    assert not harness.engine.has_work


def test_a_deadline_ends_a_request_between_two_texts() -> None:
    harness = Harness()
    many = harness.submit(Asked([[7] * 50] * 1000), deadline=harness.now + 0.025)
    harness.drain()
    assert many.reason is FinishReason.EXPIRED
    assert 0 < len(many.rows) < 1000


def test_a_text_longer_than_the_model_reads_ends_at_once() -> None:
    """The server refuses it before: this is the worker's own bound."""
    harness = Harness()
    asked = harness.submit(Asked([[1] * (CONTEXT_LENGTH + 1)]))
    harness.step()
    assert asked.reason is FinishReason.LENGTH
    assert not harness.backend.batches


@pytest.mark.parametrize("dimensions", [1, 5, DIMENSIONS])
def test_vectors_are_cut_then_normalized(dimensions: int) -> None:
    harness = Harness()
    harness.engine.submit(Submit(0, [1, 2, 2], 1, embed=Embed([[1, 2, 2]], dimensions, normalized=True)))
    events = harness.engine.step()
    numbers = struct.unpack(f"{dimensions}f", events.embedded[0].vectors)
    length = sum(number * number for number in numbers) ** 0.5
    assert length == pytest.approx(1.0) or not any(numbers)


def test_an_interrupted_step_is_computed_again() -> None:
    harness = Harness()
    asked = harness.submit(Asked([[1] * 10]))
    harness.backend.interrupt.set()
    harness.step()
    assert asked.reason is None
    harness.backend.interrupt.clear()
    harness.step()
    assert asked.reason is FinishReason.STOP
