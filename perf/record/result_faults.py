"""What must hold in a result file beyond the types of its fields."""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from perf.record.result_schema import Figure, Result, Status


def faults(result: Result) -> list[str]:
    """What is wrong, each with the place; empty when the file is sound."""
    return [*_run(result), *_figures(result.summary), *_samples(result)]


def _run(result: Result) -> Iterator[str]:
    try:
        datetime.fromisoformat(result.started_at)
    except ValueError:
        yield f"$.started_at: {result.started_at!r} is no ISO 8601 time"
    if result.duration_s < 0:
        yield f"$.duration_s: {result.duration_s} is negative"
    if not result.targets:
        yield "$.targets: empty: who was measured?"
    if result.status is Status.PARTIAL and not result.missing:
        yield "$.missing: empty, though the run is partial"


def _figures(summary: list[Figure]) -> Iterator[str]:
    for number, figure in enumerate(summary):
        for fault in _figure(figure):
            yield f"$.summary[{number}] ({figure.name}): {fault}"
    counts = Counter((figure.name, figure.group) for figure in summary)
    yield from (
        f"$.summary: {name} of group {group!r} is there twice" for (name, group), n in counts.items() if n > 1
    )


def _figure(figure: Figure) -> Iterator[str]:
    numbers = [each for each in (figure.value, figure.low, figure.high) if each is not None]
    if not all(math.isfinite(each) for each in numbers):
        yield "not finite"
    if not figure.name:
        yield "without a name"
    if figure.value is None and not figure.note:
        yield "without a value and without a note that says why"
    if (figure.low is None) != (figure.high is None):
        yield "an interval with one end"
    elif figure.low is not None and figure.high is not None and figure.low > figure.high:
        yield f"interval {figure.low} to {figure.high} is the wrong way round"
    if figure.num_samples < 0:
        yield "a negative number of samples"


def _samples(result: Result) -> Iterator[str]:
    for number, sample in enumerate(result.samples):
        if not isinstance(sample.get("kind"), str):
            yield f"$.samples[{number}]: without a kind"
