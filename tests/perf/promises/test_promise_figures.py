"""From requests to figures, row by row."""

import itertools
import math
from pathlib import Path

import pytest

from perf.promises import critical_ttft, estimate_error, overload_goodput, pinned_task_ttft, refusal_time
from perf.promises.contract_caller import Called, Foretold
from perf.promises.idle_speeds import capacity_of, speeds_of
from perf.round_loop import NotMeasured
from tests.perf.promises.making import failed, request
from xapp.tasks.folder import read_folder, read_tasks


def test_goodput_counts_whole_answers_in_time() -> None:
    found = overload_goodput.figures(
        [request(), request(end_s=3.1), failed("deadline"), failed("refused"), failed("refused")]
    )
    assert found["goodput"] == pytest.approx(1 / overload_goodput.LOAD_S)
    assert found["admitted"] == pytest.approx(3 / 5)
    assert found["kept"] == pytest.approx(1 / 3)


def test_of_nothing_admitted_there_is_no_share() -> None:
    assert "kept" not in overload_goodput.figures([failed("refused")])


def test_a_request_without_deadline_is_in_time_when_it_is_answered() -> None:
    assert overload_goodput.in_time(request(deadline_s=None, end_s=1e6))
    assert not overload_goodput.in_time(failed("lost", deadline_s=None))


def test_the_open_load_is_as_large_as_it_should_be() -> None:
    times = overload_goodput.arrivals(2.0, seed=5)
    assert len(times) == round(2.0 * overload_goodput.LOAD_S)
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < overload_goodput.LOAD_S
    assert times != overload_goodput.arrivals(2.0, seed=6)


def test_capacity_is_counted_between_ends_after_all_have_begun() -> None:
    ends = [request(end_s=at) for at in (1.0, 6.0, 7.0, 8.0)]
    assert capacity_of([*ends, failed("cut", end_s=20.0)], settle_s=5.0) == pytest.approx(1.0)
    with pytest.raises(NotMeasured, match="1 requests ended"):
        capacity_of(ends, settle_s=7.5)


def test_speeds_are_of_a_token() -> None:
    speeds = speeds_of([request()])
    assert speeds.prompt_token_s == pytest.approx(0.5 / 200)
    assert speeds.answer_token_s == pytest.approx(0.1)
    assert speeds.alone_s(200, 10) == pytest.approx(1.5)
    with pytest.raises(NotMeasured):
        speeds_of([failed("refused")])


def test_critical_requests_come_evenly() -> None:
    times = critical_ttft.arrivals(3)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert len(times) == critical_ttft.PROBES
    assert min(gaps) >= critical_ttft.GAP_S[0]
    assert max(gaps) <= critical_ttft.GAP_S[1]


def test_a_critical_request_that_is_not_answered_is_no_figure() -> None:
    assert critical_ttft.times_to_first_token([request()]) == [0.5]
    with pytest.raises(NotMeasured, match=r"1 of 2 were not answered: \['refused'\]"):
        critical_ttft.times_to_first_token([request(), failed("refused")])


def test_refusals_are_timed_from_the_call() -> None:
    told = [failed("refused", end_s=1.0 + took) for took in (0.002, 0.004, 0.006)]
    found = refusal_time.figures([*told, request()])
    assert found["refused"] == pytest.approx(3 / 4)
    assert found["p50"] == pytest.approx(0.004)
    assert found["p99"] == pytest.approx(0.006)
    assert refusal_time.figures([request()]) == {"refused": 0.0}


def test_refusals_are_told_apart_by_their_reason() -> None:
    found = refusal_time.kinds([request(), request(deadline_s=None)])
    assert [len(found[kind]) for kind in ("all", "deadline", "full")] == [2, 1, 1]


def test_the_error_of_a_prediction_is_relative_to_what_was() -> None:
    seen = [Foretold(0, predicted, 9.0, 2.0, 1, 1) for predicted in (1.0, 2.2, 2.4)]
    assert estimate_error.median_error(seen) == pytest.approx(0.2)


def test_the_first_request_of_each_caller_was_predicted_without_company() -> None:
    seen = [Foretold(number, 1.0, 2.0, 1.0, 1, 1) for number in (1, 0, 3, 2)]
    assert [each.number for each in estimate_error.in_company(seen, 2)] == [3, 2]


def called(first_s: float, num_prompt_tokens: int = 500) -> Called:
    return Called(1.0, first_s, num_prompt_tokens, 450, 4)


def test_a_pinned_task_is_compared_with_the_same_prompt() -> None:
    found = {"first": [called(0.1)], "idle": [called(0.2)], "busy": [called(0.3)], "cold": [called(1.0)]}
    figures = pinned_task_ttft.figures(found)
    assert math.isclose(figures["pinned"], 0.2)
    assert math.isclose(figures["cached"], 0.9)
    with pytest.raises(NotMeasured, match="should be the same"):
        pinned_task_ttft.figures({**found, "cold": [called(1.0, 60)]})


def test_the_task_is_one_that_a_node_takes(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_bytes(pinned_task_ttft.task_file('cells: "up" {{ no }} #1'))
    (task,) = read_tasks(read_folder(tmp_path))
    assert task.system == 'cells: "up" {{ no }} #1'


def test_the_number_of_pinned_beginnings_is_read_from_the_metrics() -> None:
    assert (
        pinned_task_ttft.num_pinned("# TYPE x\nricxapp_genai_tasks 4\nricxapp_genai_tasks_pinned 1.0\n") == 1
    )
    assert pinned_task_ttft.num_pinned("ricxapp_genai_tasks 4\n") == 0


def test_a_tokens_time_is_that_after_the_first() -> None:
    assert Called(2.0, 1.0, 5, 0, 11).token_s == pytest.approx(0.1)
