"""All parts of the measurement, in every round."""

from collections.abc import Iterator, Sequence
from functools import partial

from perf.bar_table import Sample
from perf.pool.parts import PARTS
from perf.record.result_schema import Target
from perf.round_loop import BarRun


def measure_pool(run: BarRun, parts: Sequence[str], seconds: float) -> list[Target]:
    """Each part starts its own nodes, so there is no target to name. Rounds differ by the times of calls."""
    run.all({part: partial(_measure, run, part, seconds) for part in parts})
    return []


def _measure(run: BarRun, part: str, seconds: float, number: int) -> Iterator[Sample]:
    with run.tolerating(part, number):
        for key, value in PARTS[part](seconds, number):
            yield Sample(number, key, value)
