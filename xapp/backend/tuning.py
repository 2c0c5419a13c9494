"""Tuning: chooses flash attention by a short measurement at the load, where the settings leave it open.

Flash attention is the default. Without it, a decode step over a filled cache must be clearly faster. The
number of threads starts with the node's cores, as sizing derives it. It is measured later in idle time
(`engine.survey`), because that takes seconds with a large model. Pure logic: `llama_trial` runs the steps.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Protocol

from xapp.backend.sizing import Node, Sizing
from xapp.config import EngineSettings
from xapp.domain.messages import StepTrial, Tuning, TuningSource

FORMAT = "3"
"""Changes when the measurements change."""
BUDGET_S = 1.5
"""Time limit of all trials. A running step is not interrupted, and each candidate gets at least one."""
STEPS = 4
"""Steps of a candidate. The fastest counts: other programs on the node only add time."""
MARGIN = 0.2
"""A candidate must be faster than the default by this share.

A smaller gain may be noise. It would also not pay for what only flash attention gives: prompts in a context
of their own, and scores that do not depend on company.
"""


class Trial(Protocol):
    """A context with a cache filled as in service."""

    def step(self) -> float:
        """Seconds of one decode step. Raises DecodeError."""
        ...


NewTrial = Callable[[bool], AbstractContextManager[Trial]]
"""With flash attention or without. Raises ModelError, DecodeError."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The possible choices: the default first, then the candidates."""

    threads: tuple[int, ...]
    flash_attention: tuple[bool, ...]

    @property
    def open(self) -> bool:
        """Whether there is a choice."""
        return len(self.threads) > 1 or len(self.flash_attention) > 1


def choices(settings: EngineSettings, node: Node, sizing: Sizing) -> Choices:
    """Threads: as many as cores, then every other number up to the hardware threads.

    The type q8_0 needs flash attention.
    """
    threads = [sizing.threads]
    if settings.threads is None:
        threads += range(1, max(node.cores, node.hardware_threads) + 1)
    flash = [settings.flash_attention != "off"]
    if settings.flash_attention == "auto" and sizing.kv_type == "f16":
        flash.append(False)
    return Choices(tuple(dict.fromkeys(threads)), tuple(flash))


def tune(options: Choices, new_trial: NewTrial, clock: Callable[[], float] = time.perf_counter) -> Tuning:
    """Tries each flash attention, in turns: a busy moment of the node then slows all of them.

    Raises the errors of `new_trial` and its trials.
    """
    began = clock()
    with ExitStack() as stack:
        running = [stack.enter_context(new_trial(each)) for each in options.flash_attention]
        fastest = _fastest(running, began + BUDGET_S, clock)
    threads = options.threads[0]
    trials = [StepTrial(threads, *each) for each in zip(options.flash_attention, fastest, strict=True)]
    best = _best(trials)
    return Tuning(
        TuningSource.MEASURED, threads, threads, best.flash_attention, tuple(trials), clock() - began
    )


def _fastest(running: list[Trial], until: float, clock: Callable[[], float]) -> list[float]:
    """Seconds of the fastest step of each."""
    fastest = [trial.step() for trial in running]
    for _ in range(STEPS - 1):
        if clock() + sum(fastest) > until:
            break
        fastest = [min(before, trial.step()) for before, trial in zip(fastest, running, strict=True)]
    return fastest


def _best(trials: list[StepTrial]) -> StepTrial:
    """The default, or the fastest candidate that is clearly faster."""
    rule, *others = trials
    better = [each for each in others if each.step_s < rule.step_s * (1 - MARGIN)]
    return min(better, key=lambda each: each.step_s, default=rule)


def untuned(options: Choices, source: TuningSource) -> Tuning:
    """The default, without a measurement."""
    return Tuning(source, options.threads[0], options.threads[0], options.flash_attention[0])
