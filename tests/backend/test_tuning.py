"""Tuning is a bounded search: scripted step times and a scripted clock, no model."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from xapp.backend.base import DecodeError
from xapp.backend.sizing import Node, Sizing
from xapp.backend.tuning import STEPS, Choices, choices, tune, untuned
from xapp.config import EngineSettings
from xapp.domain.messages import StepTrial, TuningSource

GB = 1 << 30
BOTH = Choices(threads=(4, 1, 2, 3, 5, 6, 7, 8), flash_attention=(True, False))


class Machine:
    """Takes `times[flash_attention]` seconds for a step, on a clock of its own."""

    def __init__(self, times: dict[bool, float]) -> None:
        self._times = times
        self.now = 0.0
        self.steps: list[bool] = []
        self.open = 0

    def clock(self) -> float:
        return self.now

    @contextmanager
    def new_trial(self, flash_attention: bool) -> Iterator["MachineTrial"]:
        self.open += 1
        try:
            yield MachineTrial(self, flash_attention)
        finally:
            self.open -= 1

    def step(self, flash_attention: bool) -> float:
        self.steps.append(flash_attention)
        self.now += self._times[flash_attention]
        return self._times[flash_attention]


class MachineTrial:
    def __init__(self, machine: Machine, flash_attention: bool) -> None:
        self._machine = machine
        self._flash_attention = flash_attention

    def step(self) -> float:
        return self._machine.step(self._flash_attention)


def sizing(threads: int = 4, kv_type: str = "f16") -> Sizing:
    return Sizing(2048, 8, 8192, kv_type, threads)


def test_cores_first_then_every_other_number_of_threads() -> None:
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
    machine = Machine({True: 0.020, False: 0.017})
    found = tune(BOTH, machine.new_trial, machine.clock)
    assert (found.source, found.threads, found.flash_attention) == (TuningSource.MEASURED, 4, True)


def test_steps_take_turns_so_that_a_busy_moment_slows_both() -> None:
    machine = Machine({True: 0.020, False: 0.020})
    tune(BOTH, machine.new_trial, machine.clock)
    assert machine.steps == [True, False] * STEPS


def test_the_faster_one_wins() -> None:
    machine = Machine({True: 0.020, False: 0.012})
    found = tune(BOTH, machine.new_trial, machine.clock)
    assert not found.flash_attention
    assert found.trials[-1] == StepTrial(4, False, 0.012)
    assert found.seconds == pytest.approx(machine.now)


def test_both_are_tried_once_however_long_a_step_takes() -> None:
    machine = Machine({True: 5.0, False: 3.9})
    found = tune(BOTH, machine.new_trial, machine.clock)
    assert machine.steps == [True, False]
    assert not found.flash_attention
    assert machine.open == 0


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
