"""Summary figures from samples, so that every mode states middles and intervals the same way."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import Interval, bootstrap_interval, percentile, t_interval

PERCENTS = (50, 95, 99)


def of_interval(
    name: str, unit: str, found: Interval, *, group: str = "", higher_is_better: bool | None = None
) -> Figure:
    """A figure of an interval computed elsewhere."""
    return Figure(name, found.value, unit, group, found.low, found.high, found.num_samples, higher_is_better)


def measured(
    name: str,
    unit: str,
    samples: Sequence[float],
    *,
    group: str = "",
    higher_is_better: bool | None = None,
    interval: Callable[[Sequence[float]], Interval] = t_interval,
) -> Figure:
    """The samples' mean with its interval; without samples a figure that says so."""
    if not samples:
        return not_measured(name, unit, "no sample", group=group, higher_is_better=higher_is_better)
    return of_interval(name, unit, interval(samples), group=group, higher_is_better=higher_is_better)


def not_measured(
    name: str, unit: str, why: str, *, group: str = "", higher_is_better: bool | None = None
) -> Figure:
    """A figure that this run could not have."""
    return Figure(name, None, unit, group, higher_is_better=higher_is_better, note=f"not measured: {why}")


def percentiles(
    name: str, unit: str, samples: Sequence[float], *, group: str = "", higher_is_better: bool | None = False
) -> Iterator[Figure]:
    """`name.p50`, `.p95`, `.p99`, each with a bootstrap interval."""
    for percent in PERCENTS:
        yield measured(
            f"{name}.p{percent}",
            unit,
            samples,
            group=group,
            higher_is_better=higher_is_better,
            interval=partial(bootstrap_interval, statistic=partial(percentile, percent=percent)),
        )
