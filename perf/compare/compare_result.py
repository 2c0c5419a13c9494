"""The result of a run: figures, samples, and what a reader has to know besides."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from perf.compare import compare_figures
from perf.compare.compare_run import Outcome, Plan, missing
from perf.compare.compare_samples import DecodeSample
from perf.machine import Machine
from perf.record.result_schema import Mode, Result, Status
from perf.record.sample_rows import encode

_BUSY_CLIENT = 0.8


@dataclass(frozen=True, slots=True)
class About:
    """The run itself: where, with which options, for how long."""

    machine: Machine
    options: dict[str, Any]
    duration_s: float
    notes: list[str]


def notes(outcome: Outcome) -> list[str]:
    """What a reader has to know besides the figures."""
    return [*_busy_clients(outcome), *_other_models(outcome), *_other_sizes(outcome), *_apart(outcome)]


def _busy_clients(outcome: Outcome) -> Iterator[str]:
    for name in outcome.targets:
        shares = [
            each.costs.client_cpu_s / each.costs.wall_s for each in outcome.samples if each.target == name
        ]
        worst = max(shares, default=0.0)
        limit = " : the client may have been the bottleneck" if worst > _BUSY_CLIENT else ""
        yield f"{name}: its client took at most {worst:.1%} of one core{limit}"


def _other_models(outcome: Outcome) -> Iterator[str]:
    digests = {each.model_digest for each in outcome.targets.values() if each.model_digest}
    if len(digests) > 1:
        yield "the targets serve different model files: their ratios compare models as well"


def _other_sizes(outcome: Outcome) -> Iterator[str]:
    """Each slot of llama-server needs room for the longest load."""
    cells = [each.engine_config.kv_cells for each in outcome.targets.values() if each.engine_config]
    for name, target in outcome.targets.items():
        theirs = [int(b) for a, b in pairwise(target.flags) if a in {"--ctx-size", "--n_ctx"}]
        if cells and theirs and theirs[0] != cells[0]:
            yield f"{name} has {theirs[0]} KV cells, ours {cells[0]}: its slots do not share them"


def _apart(outcome: Outcome) -> Iterator[str]:
    apart = {
        (each.target, compare_figures.load_name(each))
        for each in outcome.samples
        if isinstance(each, DecodeSample) and not each.overlapping
    }
    for name, load in sorted(apart):
        yield f"{name}: no decode rate in some rounds of {load}: its streams did not all run at the same time"


def result_of(plan: Plan, outcome: Outcome, run: About) -> Result:
    """The result file's content."""
    lacking = missing(plan, outcome)
    return Result(
        mode=Mode.COMPARE,
        node=os.uname().nodename,
        machine=run.machine,
        targets=[outcome.targets[each.name] for each in plan.entrants if each.name in outcome.targets],
        options=run.options,
        seeds={"texts": plan.seed},
        started_at=run.machine.started_at,
        duration_s=run.duration_s,
        status=Status.PARTIAL if lacking else Status.COMPLETE,
        summary=compare_figures.summary(outcome.samples, plan.entrants[0].name),
        samples=[encode(each) for each in outcome.samples],
        missing=lacking,
        noise=outcome.noise,
        notes=[*run.notes, *notes(outcome)],
    )
