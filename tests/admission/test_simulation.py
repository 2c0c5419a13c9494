"""The forward simulation against an engine on virtual time: the same events at about the same times."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.harness import Harness
from tests.scale import examples
from xapp.admission.simulated_job import NEVER, Job
from xapp.admission.simulation import Simulation
from xapp.admission.speeds import Speeds, speeds
from xapp.backend.fake import fake_info
from xapp.config import EngineSettings
from xapp.domain.messages import Priority, Stats, StepPrices
from xapp.steps.pace import Pace
from xapp.steps.step_cost import StepCost, straight_curve

STEP_S, TOKEN_S = 0.01, 0.003
"""What a step and a token in it cost the harness."""


def node(slots: int = 4, cells: int = 4096, budget_s: float = 0.1) -> Speeds:
    """As measured of the harness: a step of n is 10 ms and 3 ms for each."""
    return Speeds(StepCost(straight_curve(TOKEN_S, STEP_S)), Pace(budget_s, 0.5, 512), slots, cells)


def job(number: int, prefill: int, decode: int, priority: Priority = Priority.INTERACTIVE) -> Job:
    return Job((float(priority), float(number)), prefill, decode, prefill + decode)


def test_one_alone() -> None:
    one = job(0, 100, 50)
    Simulation(node(), [], [one]).run()
    assert (one.started_s, one.first_s) == pytest.approx((0, 0.31))
    assert one.end_s == pytest.approx(0.31 + 50 * 0.013)


def test_slots_are_shared_and_the_next_one_waits() -> None:
    jobs = [job(number, 10, 100) for number in range(3)]
    Simulation(node(slots=2), [], jobs).run()
    assert jobs[2].started_s == min(jobs[0].end_s, jobs[1].end_s)
    assert jobs[0].end_s == pytest.approx(0.03 + 0.03 + 100 * 0.016, rel=0.05)


def test_cells_hold_up_as_slots_do() -> None:
    jobs = [job(number, 10, 100) for number in range(2)]
    Simulation(node(cells=150), [], jobs).run()
    assert jobs[1].started_s == jobs[0].end_s


def test_a_higher_class_takes_the_place_and_the_lower_one_goes_on_after() -> None:
    low, high = job(0, 0, 100, Priority.BATCH), job(1, 10, 50, Priority.CRITICAL)
    Simulation(node(slots=1), [low], [high]).run()
    assert high.started_s == 0
    assert low.end_s == pytest.approx(high.end_s + 100 * 0.013)


def test_others_pause_while_a_critical_prompt_is_computed() -> None:
    low, high = job(0, 0, 100, Priority.BATCH), job(1, 100, 0, Priority.CRITICAL)
    Simulation(node(), [low], [high]).run()
    assert high.end_s == pytest.approx(0.31)
    assert low.end_s == pytest.approx(0.31 + 100 * 0.013)


def test_it_stops_when_what_was_asked_for_is_known() -> None:
    first, second = job(0, 10, 10), job(1, 10, 1000)
    Simulation(node(), [], [first, second]).run(first)
    assert first.end_s < second.end_s == NEVER


def test_one_that_needs_more_cells_than_there_are_runs_alone() -> None:
    large = job(0, 100, 100)
    Simulation(node(cells=50), [], [large]).run()
    assert large.end_s < NEVER


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.tuples(st.integers(1, 150), st.integers(1, 60), st.sampled_from(Priority)),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 4),
)
def test_every_job_ends_and_the_whole_takes_as_long_as_the_engine_does(
    asked: list[tuple[int, int, Priority]], slots: int
) -> None:
    harness = Harness(slots=slots, cells=4096, max_batch=512, prefix_cache=False)
    answers = []
    for number, (prompt, tokens, priority) in enumerate(asked):
        fields = {"priority": priority, "ignore_eos": True, "deadline": harness.clock.now + 1e6 + number}
        answers.append(harness.submit([number] * prompt, tokens, **fields))
    harness.drain()
    jobs = [
        Job((float(answer.request.priority), float(number)), prompt, tokens - 1, prompt + tokens)
        for number, (answer, (prompt, tokens, _)) in enumerate(zip(answers, asked, strict=True))
    ]
    Simulation(node(slots), [], jobs).run()
    took = max(answer.finished.at for answer in answers if answer.finished) - 1000
    assert max(each.end_s for each in jobs) == pytest.approx(took, rel=0.3, abs=0.1)
    for each in jobs:
        assert 0 <= each.started_s <= each.first_s <= each.end_s < NEVER


def test_the_end_of_a_prompt_is_dearer_than_its_start() -> None:
    cost = StepCost(straight_curve(TOKEN_S), StepPrices(1.0, 1e-5))
    fresh, cached = job(0, 100, 0), job(0, 100, 0)
    cached.computed = 1000
    for each in (fresh, cached):
        Simulation(Speeds(cost, Pace(0.1, 0.5, 512), 1, 4096), [], [each]).run()
    assert fresh.end_s == pytest.approx(0.3 + 100 * 50 * 1e-5)
    assert cached.end_s == pytest.approx(0.3 + 100 * 1050 * 1e-5)


def test_prompts_are_slower_beside_an_answer_that_wants_short_gaps() -> None:
    ends = []
    for gap_s in (None, 0.03):
        answer, prompt = job(0, 0, 1000), job(1, 300, 0)
        answer.max_gap_s = gap_s
        Simulation(node(), [answer], [prompt]).run(prompt)
        ends.append(prompt.end_s)
    free, bound = ends
    assert bound > 1.5 * free


def test_one_that_is_computed_apart_takes_turns_with_the_others() -> None:
    shared, isolated = [job(number, 0, 100) for number in range(3)], job(3, 32, 100)
    isolated.isolated, isolated.cells = True, 0
    Simulation(node(), shared, [isolated]).run()
    both_s = (STEP_S + 3 * TOKEN_S) + (STEP_S + TOKEN_S)
    prompt_s = 2 * (STEP_S + 16 * TOKEN_S + STEP_S + 3 * TOKEN_S)
    assert shared[0].end_s == pytest.approx(prompt_s + 98 * both_s)
    assert isolated.end_s == pytest.approx(prompt_s + 98 * both_s + 2 * (STEP_S + TOKEN_S))


def test_a_long_context_makes_decoding_slower() -> None:
    cost = StepCost(straight_curve(TOKEN_S), StepPrices(1.0, 1e-5))
    one = job(0, 0, 100)
    one.computed = 1000
    Simulation(Speeds(cost, Pace(0.1, 0.5, 512), 1, 4096), [one], []).run()
    assert one.end_s == pytest.approx(100 * (0.003 + 1050 * 1e-5))


def test_before_anything_was_measured_the_load_tells() -> None:
    info = msgspec.structs.replace(fake_info(EngineSettings(slots=4)), curve=straight_curve(0.004, 0.005))
    found = speeds(info, Stats())
    assert found.decode_s(1, 0) == pytest.approx(0.009)
    assert found.step_s(0, 0, 10, 0) == pytest.approx(0.045)
    slower = speeds(info, Stats(prices=StepPrices(2.0, 1e-5)))
    assert slower.decode_s(1, 100) == pytest.approx(0.018 + 0.001)
