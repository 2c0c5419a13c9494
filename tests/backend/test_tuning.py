"""Tuning is a bounded search: scripted step times and a scripted clock, no model."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from xapp.backend.base import DecodeError
from xapp.backend.sizing import Node, Sizing
from xapp.backend.tuning import BUDGET_S, STEPS, Choices, choices, tune, untuned
from xapp.config import EngineSettings
from xapp.engine.messages import StepTrial, TuningSource

GB = 1 << 30
BOTH = Choices(threads=(4, 8, 3), flash_attention=(True, False))


class Machine:
    """Takes `times[threads, flash_attention]` seconds for a step, on a clock of its own."""

    def __init__(self, times: dict[tuple[int, bool], float], *, opening_s: float = 0.0) -> None:
        self._times = times
        self._opening_s = opening_s
        self.now = 0.0
        self.steps: list[tuple[int, bool]] = []
        self.open = 0

    def clock(self) -> float:
        return self.now

    @contextmanager
    def new_trial(self, flash_attention: bool) -> Iterator["MachineTrial"]:
        self.now += self._opening_s
        self.open += 1
        try:
            yield MachineTrial(self, flash_attention)
        finally:
            self.open -= 1

    def step(self, threads: int, flash_attention: bool) -> float:
        self.steps.append((threads, flash_attention))
        seconds = self._times[threads, flash_attention]
        self.now += seconds
        return seconds


class MachineTrial:
    def __init__(self, machine: Machine, flash_attention: bool) -> None:
        self._machine = machine
        self._flash_attention = flash_attention

    def step(self, threads: int) -> float:
        return self._machine.step(threads, self._flash_attention)


def sizing(threads: int = 4, kv_type: str = "f16") -> Sizing:
    return Sizing(2048, 8, 8192, kv_type, threads)


def test_cores_then_hardware_threads_then_one_fewer() -> None:
    assert choices(EngineSettings(), Node(GB, 4, 8), sizing()) == BOTH


def test_nothing_is_tried_twice_and_one_core_is_not_left_without() -> None:
    assert choices(EngineSettings(), Node(GB, 1, 1), sizing(1)).threads == (1,)


def test_what_is_set_is_not_tried() -> None:
    given = choices(EngineSettings(threads=3, flash_attention="off"), Node(GB, 4, 8), sizing(3))
    assert given == Choices((3,), (False,))
    assert not given.open


def test_q8_0_keeps_flash_attention() -> None:
    assert choices(EngineSettings(), Node(GB, 4, 8), sizing(kv_type="q8_0")).flash_attention == (True,)


def test_the_rule_stays_where_nothing_is_clearly_faster() -> None:
    machine = Machine({(4, True): 0.020, (8, True): 0.0195, (3, True): 0.025, (4, False): 0.0195})
    found = tune(BOTH, machine.new_trial, machine.clock)
    assert (found.source, found.threads, found.flash_attention) == (TuningSource.MEASURED, 4, True)


def test_the_fastest_wins_and_flash_attention_is_tried_with_its_threads() -> None:
    machine = Machine({(4, True): 0.020, (8, True): 0.018, (3, True): 0.015, (3, False): 0.012})
    found = tune(BOTH, machine.new_trial, machine.clock)
    assert (found.threads, found.flash_attention) == (3, False)
    assert found.trials[-1] == StepTrial(3, False, 0.012)
    assert found.seconds == pytest.approx(machine.now)


def test_a_hopeless_candidate_is_not_tried_to_the_end() -> None:
    machine = Machine({(4, True): 0.010, (8, True): 0.040, (3, True): 0.011, (4, False): 0.011})
    tune(BOTH, machine.new_trial, machine.clock)
    assert machine.steps.count((8, True)) == 2
    assert machine.steps.count((3, True)) == STEPS


def test_long_steps_leave_the_rule_and_soon() -> None:
    machine = Machine({(4, True): 0.5})
    found = tune(BOTH, machine.new_trial, machine.clock)
    assert (found.source, found.threads, found.flash_attention) == (TuningSource.OVERTIME, 4, True)
    assert len(machine.steps) == 1
    assert machine.open == 0


def test_an_opening_that_took_all_the_time_is_followed_by_no_step_but_one() -> None:
    machine = Machine({(4, True): 0.1}, opening_s=2 * BUDGET_S)
    assert tune(BOTH, machine.new_trial, machine.clock).trials == ()
    assert machine.steps == []


def test_what_was_found_before_the_time_was_up_counts() -> None:
    machine = Machine({(4, True): 0.09, (8, True): 0.03, (3, True): 0.09})
    found = tune(BOTH, machine.new_trial, machine.clock)
    assert (found.source, found.threads) == (TuningSource.OVERTIME, 8)


def test_a_step_that_fails_is_the_callers_to_handle() -> None:
    machine = Machine({})

    @contextmanager
    def broken(_: bool) -> Iterator[MachineTrial]:
        raise DecodeError(-3)
        yield MachineTrial(machine, True)

    with pytest.raises(DecodeError):
        tune(BOTH, broken, machine.clock)


def test_the_rule_without_a_measurement() -> None:
    found = untuned(BOTH, TuningSource.UNSUPPORTED)
    assert (found.threads, found.flash_attention, found.trials) == (4, True, ())
