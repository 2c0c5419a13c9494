"""Whole runs: what is kept when something ends them, and how the same command goes on."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from perf.data.traces import TraceRequest
from perf.load import load_result
from perf.load.load_run import Outcome, Run
from perf.load.load_samples import Request, Step, decode
from perf.load.run_options import Options
from perf.record.journal import Journal
from perf.record.result_schema import Status
from perf.targets.fake_target import Behaviour, FakeTarget
from perf.targets.target import TargetError
from tests.perf.virtual import run

SWEEP = Options(seed=7, concurrency=[1, 2], rates=[1.0], num_requests=6, output="10", prompt="20")
LIMITED = Options(
    seed=7, find_rate=True, num_requests=60, output="10", prompt="20", limit_ttft_s=0.5, precision=0.2
)


async def measure(
    target: FakeTarget, options: Options, path: Path, trace: Sequence[TraceRequest] = ()
) -> Outcome:
    with Journal.open(path, fingerprint={"seed": options.seed}) as journal:
        return await Run(target, options, journal, trace=trace).run()


def kept(path: Path) -> list[Step | Request]:
    with Journal.open(path, fingerprint={"seed": 7}) as journal:
        return [decode(row) for row in journal.samples]


def steps(outcome: Outcome) -> list[str]:
    return [sample.step for sample in outcome.samples if isinstance(sample, Step) and sample.whole]


def test_a_sweep_measures_every_step_once(tmp_path: Path) -> None:
    target = FakeTarget()
    outcome = run(measure(target, SWEEP, tmp_path / "a.json"))
    assert steps(outcome) == ["concurrency=1", "concurrency=2", "rate=1"]
    assert len(target.requests) == SWEEP.warmup + 18
    assert load_result.status(outcome) is Status.COMPLETE


def test_a_lost_target_leaves_what_was_measured_and_the_next_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    # A request takes 1 s: warm-up 2 s, the first step 6 s, the second 3 s.
    outcome = run(measure(FakeTarget(Behaviour(decode_token_s=0.1, lost_at=10.0)), SWEEP, path))
    assert steps(outcome) == ["concurrency=1"]
    assert load_result.status(outcome) is Status.PARTIAL
    (missing,) = load_result.missing(outcome)
    assert missing.startswith("concurrency=2, rate=1: the target was lost")
    assert "the same command" in missing
    broken = [each for each in outcome.samples if isinstance(each, Request) and each.step == "concurrency=2"]
    assert any(not request.error for request in broken)

    again = FakeTarget(Behaviour(decode_token_s=0.1))
    outcome = run(measure(again, SWEEP, path))
    assert steps(outcome) == ["concurrency=1", "concurrency=2", "rate=1"]
    assert len(again.requests) == SWEEP.warmup + 12
    assert load_result.status(outcome) is Status.COMPLETE


def test_the_figures_are_of_the_attempt_that_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    run(measure(FakeTarget(Behaviour(decode_token_s=0.1, lost_at=10.0)), SWEEP, path))
    outcome = run(measure(FakeTarget(), SWEEP, path))
    found = load_result.summary(outcome, SWEEP)
    attained = [each.num_samples for each in found if each.name == "attainment"]
    assert attained == [6, 6, 6]
    assert not any("broken off" in each.note for each in found)
    assert any("attempt 1 was broken off" in note for note in load_result.notes(outcome, found))


def test_the_figures_of_a_step_that_was_broken_off_say_so(tmp_path: Path) -> None:
    behaviour = Behaviour(decode_token_s=0.1, lost_at=10.0)
    outcome = run(measure(FakeTarget(behaviour), SWEEP, tmp_path / "a.json"))
    marked = {each.group for each in load_result.summary(outcome, SWEEP) if "broken off" in each.note}
    assert marked == {"concurrency=2"}


def test_prompts_of_a_second_attempt_are_new(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    first = FakeTarget(Behaviour(decode_token_s=0.1, lost_at=10.0))
    run(measure(first, SWEEP, path))
    second = FakeTarget()
    run(measure(second, SWEEP, path))
    assert not {ask.input for ask in first.requests[2:]} & {ask.input for ask in second.requests[2:]}


def test_an_interrupted_run_keeps_the_step_it_was_in(tmp_path: Path) -> None:
    path = tmp_path / "a.json"

    async def interrupted() -> None:
        task = asyncio.create_task(measure(FakeTarget(Behaviour(decode_token_s=0.1)), SWEEP, path))
        await asyncio.sleep(4.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(interrupted())
    found = kept(path)
    (step,) = (each for each in found if isinstance(each, Step))
    assert (step.whole, step.reason) == (False, "interrupted")
    assert {each.error for each in found if isinstance(each, Request)} == {"", "cut"}
    assert steps(run(measure(FakeTarget(), SWEEP, path)))[0] == "concurrency=1"


def test_nobody_there_at_the_start_is_an_error_and_no_result(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="gone"):
        run(measure(FakeTarget(Behaviour(lost_at=0.0)), SWEEP, tmp_path / "a.json"))
    assert kept(tmp_path / "a.json") == []


def test_the_highest_rate_is_that_of_the_server(tmp_path: Path) -> None:
    """4 slots and 1 s a request serve 4 a second; queues stay short up to somewhat less."""
    target = FakeTarget(Behaviour(decode_token_s=0.1))
    outcome = run(measure(target, LIMITED, tmp_path / "a.json"))
    assert outcome.found is not None
    assert 2 < (outcome.found.kept or 0) < 5
    (figure,) = (each for each in load_result.summary(outcome, LIMITED) if each.name == "highest_rate")
    assert figure.value == outcome.found.kept
    assert "did not keep them" in figure.note


def test_a_search_goes_on_from_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    whole = run(measure(FakeTarget(Behaviour(decode_token_s=0.1)), LIMITED, path))
    again = FakeTarget(Behaviour(decode_token_s=0.1))
    assert run(measure(again, LIMITED, path)).found == whole.found
    assert len(again.requests) == LIMITED.warmup


def test_no_rate_that_keeps_the_limits_is_said(tmp_path: Path) -> None:
    options = Options(
        seed=7, find_rate=True, num_requests=5, output="10", prompt="20", limit_ttft_s=0.001, precision=0.2
    )
    outcome = run(measure(FakeTarget(Behaviour(decode_token_s=0.1)), options, tmp_path / "a.json"))
    (figure,) = (each for each in load_result.summary(outcome, options) if each.name == "highest_rate")
    assert figure.value is None
    assert "not even" in figure.note


def test_a_trace_is_replayed_at_its_times(tmp_path: Path) -> None:
    trace = [
        TraceRequest(4, 0.0, 20, None, "critical", 5.0),
        TraceRequest(6, 2.5, None, "Cell 7 is quiet", "", None),
    ]
    target = FakeTarget()
    options = Options(seed=7, replay=True, warmup=0)
    outcome = run(measure(target, options, tmp_path / "a.json", trace))
    requests = [each for each in outcome.samples if isinstance(each, Request)]
    assert [each.scheduled_s for each in requests] == pytest.approx([0.0, 2.5])
    assert [each.num_prompt_tokens for each in requests] == [20, 4]
    assert [ask.priority for ask in target.requests] == ["critical", ""]


def test_the_same_seed_asks_for_the_same_lengths_in_every_step(tmp_path: Path) -> None:
    options = Options(
        seed=7, concurrency=[1, 4], num_requests=20, output="uniform:1-50", prompt="uniform:20-90"
    )
    outcome = run(measure(FakeTarget(), options, tmp_path / "a.json"))
    shapes: dict[str, list[tuple[int | None, int]]] = {}
    for each in outcome.samples:
        if isinstance(each, Request):
            shapes.setdefault(each.step, []).append((each.num_prompt_tokens, each.max_tokens))
    assert shapes["concurrency=1"] == shapes["concurrency=4"]
