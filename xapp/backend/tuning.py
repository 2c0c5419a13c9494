"""Tuning: flash attention chosen by a short measurement at the load, where the settings leave it open.

Flash attention is the rule; without it a decode step over a filled cache must be clearly faster. Threads
start as sizing derives them from the node's cores. They are measured later, while nobody needs the node
(`engine.survey`), because that takes seconds with a large model. Pure logic: `llama_trial` runs the steps.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from xapp.backend.sizing import Node, Sizing
from xapp.config import EngineSettings
from xapp.domain.messages import StepTrial, Tuning, TuningSource

FORMAT = "2"
"""Changes when what is measured does."""
BUDGET_S = 1.5
"""For all trials. A step that has begun is not interrupted, and each candidate gets one in any case."""
STEPS = 4
"""Steps of a candidate. The fastest counts: whatever else the node does only adds."""
MARGIN = 0.05
"""By how much of the rule's time a candidate must be faster: less may be noise."""


class Trial(Protocol):
    """A context whose cache is filled as in service."""

    def step(self) -> float:
        """Seconds that one decode step takes. Raises DecodeError."""
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
    """Tries the flash attentions in turn. Raises what `new_trial` and its trials raise."""
    began = clock()
    trials = []
    for number, flash_attention in enumerate(options.flash_attention, start=1):
        until = began + BUDGET_S * number / len(options.flash_attention)
        with new_trial(flash_attention) as trial:
            trials.append(StepTrial(options.threads[0], flash_attention, _fastest(trial, until, clock)))
    best = _best(trials)
    threads = options.threads[0]
    return Tuning(
        TuningSource.MEASURED, threads, threads, best.flash_attention, tuple(trials), clock() - began
    )


def _fastest(trial: Trial, until: float, clock: Callable[[], float]) -> float:
    fastest = trial.step()
    for _ in range(STEPS - 1):
        if clock() + fastest > until:
            break
        fastest = min(fastest, trial.step())
    return fastest


def _best(trials: list[StepTrial]) -> StepTrial:
    """The rule, or the fastest of those that clearly beat it."""
    rule, *others = trials
    better = [each for each in others if each.step_s < rule.step_s * (1 - MARGIN)]
    return min(better, key=lambda each: each.step_s, default=rule)


def untuned(options: Choices, source: TuningSource) -> Tuning:
    """The rule, without a measurement."""
    return Tuning(source, options.threads[0], options.threads[0], options.flash_attention[0])
