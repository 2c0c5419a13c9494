from collections import deque
from collections.abc import Iterator
from typing import cast

import pytest

from perf.callers.prompt_texts import Work
from perf.serving.worker_driver import CancelTrial, PrefillCancel, run, try_cancel, try_prefill_cancel
from perf.serving.worker_link import WorkerGoneError, WorkerLink
from xapp.backend.fake import fake_info
from xapp.config import EngineSettings
from xapp.domain.messages import FinishReason, SequenceFinished, SequenceStarted, StepEvents, Submit


@pytest.fixture(scope="module")
def link() -> Iterator[WorkerLink]:
    with WorkerLink("no model", EngineSettings(backend="fake", slots=3)) as made:
        yield made


def test_every_stream_brings_its_tokens(link: WorkerLink) -> None:
    streams, stats = run(link, Work(num_streams=3, prompt_tokens=8, num_tokens=5))
    assert [stream.num_tokens for stream in streams] == [5, 5, 5]
    assert stats.num_running == 0


def test_the_counters_agree_with_what_came(link: WorkerLink) -> None:
    _, before = run(link, Work(num_streams=1, prompt_tokens=8, num_tokens=1, seed=1))
    _, after = run(link, Work(num_streams=2, prompt_tokens=8, num_tokens=7, seed=2))
    assert after.total_decode_tokens - before.total_decode_tokens == 14


def test_a_cancelled_slot_goes_to_who_waits(link: WorkerLink) -> None:
    assert try_cancel(link, CancelTrial(after_tokens=2, seed=3)).steps_after >= 0
    _, stats = run(link, Work(num_streams=1, prompt_tokens=8, num_tokens=1, seed=4))
    assert (stats.num_running, stats.num_waiting) == (0, 0)


class FastWorker:
    """A link to a worker that computes whole answers before the caller reads their first tokens."""

    def __init__(self, num_slots: int) -> None:
        self.info = fake_info(EngineSettings(backend="fake", slots=num_slots))
        self._messages: deque[StepEvents] = deque()
        self._waiting: list[int] = []
        self._open: list[int] = []

    def submit(self, request: Submit) -> None:
        """Computes all slots' answers at once when they are full."""
        if len(self._open) < self.info.num_slots:
            self._start(request.request_id)
        else:
            self._waiting.append(request.request_id)
            self._compute(request.max_tokens)
            self._start(self._waiting.pop())

    def cancel(self, request_id: int) -> None:
        """Ends only open requests, as the engine does."""
        if request_id in self._open:
            self._end([request_id], FinishReason.CANCELLED)

    def steps(self) -> Iterator[tuple[float, StepEvents]]:
        """What was said; then it fails, where a worker would be silent."""
        while self._messages:
            yield 0.0, self._messages.popleft()
        pytest.fail("waits for a message that has been read already")

    def _start(self, request_id: int) -> None:
        self._open.append(request_id)
        self._messages.append(StepEvents(started=[SequenceStarted(request_id, 0.0, 0)]))

    def _compute(self, num_tokens: int) -> None:
        step = [part for request_id in self._open for part in (request_id, 65)]
        self._messages += [StepEvents(tokens=step) for _ in range(num_tokens)]
        self._end(list(self._open), FinishReason.LENGTH)

    def _end(self, ids: list[int], reason: FinishReason) -> None:
        self._open = [each for each in self._open if each not in ids]
        self._messages.append(
            StepEvents(finished=[SequenceFinished(each, 0.0, reason, 0, 1) for each in ids])
        )


def test_ends_that_came_before_the_slot_was_free_are_not_awaited() -> None:
    """The harness once waited 120 s for ends that it had read already: on a busy machine the worker was that
    much faster.
    """
    link = FastWorker(num_slots=3)
    result = try_cancel(cast(WorkerLink, link), CancelTrial(after_tokens=2))
    assert result.steps_after == 62


def test_a_model_that_cannot_be_loaded_is_an_error() -> None:
    with pytest.raises(WorkerGoneError, match="no-such-file"):
        WorkerLink("no-such-file", EngineSettings())


def test_a_cancelled_prefill_lets_the_next_request_begin() -> None:
    # So long that the worker computes for seconds, however late this process reads.
    settings = EngineSettings(backend="fake", slots=1, batch_tokens=1, context_length=65536, kv_cells=65536)
    with WorkerLink("no model", settings) as link:
        found = try_prefill_cancel(link, PrefillCancel(prompt_tokens=60000, pause_s=0.0))
        assert found.in_prefill
        _, stats = run(link, Work(num_streams=1, prompt_tokens=8, num_tokens=1))
    assert (stats.num_running, stats.num_waiting) == (0, 0)


def test_a_prompt_that_was_computed_before_its_cancel_is_told_apart() -> None:
    settings = EngineSettings(backend="fake", slots=1)
    with WorkerLink("no model", settings) as link:
        found = try_prefill_cancel(link, PrefillCancel(prompt_tokens=8, pause_s=0.0))
    assert not found.in_prefill
