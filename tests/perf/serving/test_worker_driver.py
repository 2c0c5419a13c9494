from collections.abc import Iterator

import pytest

from perf.callers.prompt_texts import Work
from perf.serving.worker_driver import CancelTrial, PrefillCancel, run, try_cancel, try_prefill_cancel
from perf.serving.worker_link import WorkerGoneError, WorkerLink
from xapp.config import EngineSettings


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


def test_a_model_that_cannot_be_loaded_is_an_error() -> None:
    with pytest.raises(WorkerGoneError, match="no-such-file"):
        WorkerLink("no-such-file", EngineSettings())


def test_a_cancelled_prefill_lets_the_next_request_begin() -> None:
    settings = EngineSettings(backend="fake", slots=1, batch_tokens=1)
    with WorkerLink("no model", settings) as link:
        found = try_prefill_cancel(link, PrefillCancel(prompt_tokens=1500, pause_s=0.0))
        assert found.in_prefill
        _, stats = run(link, Work(num_streams=1, prompt_tokens=8, num_tokens=1))
    assert (stats.num_running, stats.num_waiting) == (0, 0)


def test_a_prompt_that_was_computed_before_its_cancel_is_told_apart() -> None:
    settings = EngineSettings(backend="fake", slots=1)
    with WorkerLink("no model", settings) as link:
        found = try_prefill_cancel(link, PrefillCancel(prompt_tokens=8, pause_s=0.0))
    assert not found.in_prefill
