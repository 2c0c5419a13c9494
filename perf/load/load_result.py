"""The result file of a run."""

from typing import Any

import msgspec

from perf.load import load_figures
from perf.load.highest_rate import Found
from perf.load.load_run import Outcome, requests_of
from perf.load.load_samples import Request, Step
from perf.load.run_options import Options
from perf.record import result_schema
from perf.record.result_schema import Figure
from perf.record.sample_rows import encode

_CACHED_NOTE_SHARE = 0.05
_RESUME = "the same command goes on from what was measured"
_DEFINITIONS = (
    "latencies count from the scheduled arrival; ITL is pooled over requests; percentiles are nearest-rank"
)


def summary(outcome: Outcome, options: Options) -> list[Figure]:
    """The figures of all steps, in order of measuring."""
    found: list[Figure] = []
    for step, requests in _latest(outcome.samples):
        of_step = load_figures.of_step(step, requests, options.limits)
        found += of_step if step.whole else [_marked(figure, step) for figure in of_step]
    if outcome.found is not None:
        found.append(_highest(outcome.found, options))
    return found


def _latest(samples: list[Step | Request]) -> list[tuple[Step, list[Request]]]:
    steps = {sample.step: sample for sample in samples if isinstance(sample, Step)}
    return [(step, requests_of(step, samples)) for step in steps.values()]


def _marked(figure: Figure, step: Step) -> Figure:
    note = f"broken off: {step.reason}" + (f"; {figure.note}" if figure.note else "")
    return msgspec.structs.replace(figure, note=note)


def _highest(found: Found, options: Options) -> Figure:
    share = f"{options.attainment:.0%} of requests within their limits"
    if found.kept is None:
        note = f"not measured: not even {found.missed:g} a second kept {share}"
    elif found.missed is None:
        note = f"{share}; the highest that was tried"
    else:
        note = f"{share}; {found.missed:g} a second did not keep them"
    return Figure(
        "highest_rate", found.kept, "1/s", num_samples=found.num_probes, higher_is_better=True, note=note
    )


def notes(outcome: Outcome, summary: list[Figure]) -> list[str]:
    """What a reader must know to trust the figures."""
    found = [_DEFINITIONS]
    for figure in summary:
        if figure.name == "client_bottleneck" and figure.value:
            found.append(f"{figure.group}: THE CLIENT WAS THE BOTTLENECK: {figure.note}")
        if figure.name == "errors.overflow":
            found.append(f"{figure.group}: {figure.value:g} requests were not sent: {figure.note}")
        if figure.name == "cached_tokens_share" and (figure.value or 0) > _CACHED_NOTE_SHARE:
            found.append(
                f"{figure.group}: {figure.value:.0%} of the prompts' tokens were in the server's cache "
                "(shared prefix, or an earlier run with this --seed)"
            )
    attempts = [sample for sample in outcome.samples if isinstance(sample, Step) and not sample.whole]
    found += [f"{each.step}: attempt {each.attempt} was broken off: {each.reason}" for each in attempts]
    return found


def status(outcome: Outcome) -> result_schema.Status:
    """PARTIAL when something is missing."""
    return result_schema.Status.PARTIAL if outcome.missing else result_schema.Status.COMPLETE


def missing(outcome: Outcome) -> list[str]:
    """With what to do about it."""
    return [f"{each}; {_RESUME}" for each in outcome.missing]


def samples(outcome: Outcome) -> list[dict[str, Any]]:
    """As the file holds them."""
    return [encode(sample) for sample in outcome.samples]
