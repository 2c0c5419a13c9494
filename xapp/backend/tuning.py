"""Tuning: threads and flash attention chosen by a short measurement, where the settings leave them open.

What sizing derives from the node's cores is the rule; another choice must beat it in a decode step over
a filled cache. Time is bounded: a model whose steps are too long to be tried keeps the rule. Pure
logic: `llama_trial` runs the steps.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from xapp.backend.sizing import Node, Sizing
from xapp.config import EngineSettings
from xapp.engine.messages import StepTrial, Tuning, TuningSource

FORMAT = "1"
"""Changes when what is measured does."""
BUDGET_S = 0.6
"""For all trials; a step that has begun is not interrupted."""
STEPS = 4
"""Steps of a candidate. The fastest counts: whatever else the node does only adds."""
MARGIN = 0.05
"""By how much of the rule's time a candidate must be faster: less may be noise."""
HOPELESS = 1.3
"""A candidate whose first two steps take so many times the best one's is not tried further."""


class Trial(Protocol):
    """A context whose cache is filled as in service."""

    def step(self, threads: int) -> float:
        """Seconds that one decode step takes with so many threads. Raises DecodeError."""
        ...


NewTrial = Callable[[bool], AbstractContextManager[Trial]]
"""With flash attention or without. Raises ModelError, DecodeError."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen: the rule first, then what is tried against it."""

    threads: tuple[int, ...]
    flash_attention: tuple[bool, ...]

    @property
    def open(self) -> bool:
        """Whether there is anything to choose."""
        return len(self.threads) > 1 or len(self.flash_attention) > 1


def choices(settings: EngineSettings, node: Node, sizing: Sizing) -> Choices:
    """Threads: physical cores, all hardware threads, one core fewer. q8_0 needs flash attention."""
    threads = [sizing.threads]
    if settings.threads is None:
        threads += [count for count in (node.hardware_threads, node.cores - 1) if count > 0]
    flash = [settings.flash_attention != "off"]
    if settings.flash_attention == "auto" and sizing.kv_type == "f16":
        flash.append(False)
    return Choices(tuple(dict.fromkeys(threads)), tuple(flash))


class _Overtime(Exception):
    """There is no time for another step."""


class _Tuner:
    """The trials so far and the time that is left."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self.trials: list[StepTrial] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began

    @property
    def best(self) -> StepTrial | None:
        """What was chosen of the trials: the rule, or the fastest of those that clearly beat it."""
        if not self.trials:
            return None
        rule, *others = self.trials
        better = [each for each in others if each.step_s < rule.step_s * (1 - MARGIN)]
        return min(better, key=lambda each: each.step_s, default=rule)

    def run(self, trial: Trial, threads: int, flash_attention: bool) -> None:
        """Tries one candidate. Raises _Overtime."""
        seconds = min(self._steps(trial, threads))
        self.trials.append(StepTrial(threads, flash_attention, seconds))

    def _steps(self, trial: Trial, threads: int) -> Iterator[float]:
        longest = 0.0
        for number in range(STEPS):
            if self.elapsed + longest > BUDGET_S:
                raise _Overtime
            seconds = trial.step(threads)
            longest = max(longest, seconds)
            yield seconds
            if number and self.best is not None and seconds > HOPELESS * self.best.step_s:
                return


def tune(options: Choices, new_trial: NewTrial, clock: Callable[[], float] = time.perf_counter) -> Tuning:
    """Tries threads with the rule's flash attention, then the other with the threads found.

    Raises what `new_trial` and its trials raise.
    """
    tuner = _Tuner(clock)
    try:
        with new_trial(options.flash_attention[0]) as trial:
            for threads in options.threads:
                tuner.run(trial, threads, options.flash_attention[0])
        best = tuner.best
        assert best is not None
        for flash_attention in options.flash_attention[1:]:
            with new_trial(flash_attention) as trial:
                tuner.run(trial, best.threads, flash_attention)
    except _Overtime:
        return _result(TuningSource.OVERTIME, tuner, options)
    return _result(TuningSource.MEASURED, tuner, options)


def _result(source: TuningSource, tuner: _Tuner, options: Choices) -> Tuning:
    best = tuner.best or StepTrial(options.threads[0], options.flash_attention[0], 0.0)
    return Tuning(source, best.threads, best.flash_attention, tuple(tuner.trials), tuner.elapsed)


def untuned(options: Choices, source: TuningSource) -> Tuning:
    """The rule, without a measurement."""
    return Tuning(source, options.threads[0], options.flash_attention[0])
