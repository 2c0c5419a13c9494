"""Figures with bars: made of samples of rounds, shown as a table, and that table as Markdown."""

import statistics
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from perf.record.result_schema import Figure, Result
from perf.record.statistics_of_samples import Interval, ratio_of_pairs, t_interval

COLUMNS = ("what", "bar", "median", "95 % interval", "min – max", "")


class Sample(msgspec.Struct, frozen=True, tag_field="kind", tag="bar-sample"):
    """One measured value. `key` is `contender.what.streams`, for instance `grpc.decode.4`."""

    round: int
    key: str
    value: float


def values(samples: Sequence[Sample], key: str) -> dict[int, float]:
    """The values of a key by round; the last one of a round counts."""
    return {sample.round: sample.value for sample in samples if sample.key == key}


def scaled(samples: Sequence[Sample], key: str, factor: float = 1.0) -> list[float]:
    """The values of a key in all rounds, each times `factor`, which changes the unit."""
    return [value * factor for value in values(samples, key).values()]


def ratios(samples: Sequence[Sample], above: str, below: str) -> list[float]:
    """Of the rounds that have both: what was measured close together is compared."""
    numerators, denominators = values(samples, above), values(samples, below)
    return [numerators[each] / denominators[each] for each in numerators.keys() & denominators.keys()]


def row(what: str, unit: str, found: Sequence[float], bar: float | None, *, at_most: bool = True) -> Figure:
    """The median of what was found, and whether it should be at most `bar` or at least.

    The interval is of the mean over the rounds, the geometric one where all values are positive.
    """
    better = None if bar is None else not at_most
    if not found:
        return Figure(what, None, unit, higher_is_better=better, note="not measured", bar=bar)
    interval = _interval(found)
    return Figure(
        what,
        statistics.median(found),
        unit,
        low=interval.low,
        high=interval.high,
        num_samples=len(found),
        higher_is_better=better,
        bar=bar,
        minimum=min(found),
        maximum=max(found),
    )


def _interval(found: Sequence[float]) -> Interval:
    # What varies here, speeds of processes, varies by factors: an interval of the logarithms fits it.
    if min(found) <= 0:
        return t_interval(found)
    return ratio_of_pairs(found, [1.0] * len(found))


def show(result: Result) -> None:
    """The table and what it was measured on."""
    console = plain_console()
    table = Table(title=_title(result))
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in result.summary:
        table.add_row(*cells(each))
    console.print(table)
    load = max((noise.load_1m for noise in result.noise), default=0.0)
    steal = max((noise.steal_share for noise in result.noise), default=0.0)
    console.print(
        f"{result.machine.cpu}, {result.machine.cores} cores; {result.machine.git_revision}; "
        f"worst round: load {load:.1f}, steal {steal:.1%}",
        markup=False,
    )


def _title(result: Result) -> str:
    sizes = (target.engine_config for target in result.targets)
    threads = next((f", {each.num_threads} threads" for each in sizes if each), "")
    return f"{_model(result)}{threads}, {result.options['rounds']} rounds"


def _model(result: Result) -> str:
    """Its name; of a mode that names no target, as `pool`, what was measured."""
    if result.targets:
        return result.targets[0].model
    return str(result.options.get("model") or f"bench {result.mode}")


def plain_console() -> Console:
    """The terminal; what is no terminal is wide enough for the table."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def markdown(result: Result) -> str:
    """The same table for an issue or a page, and of what it is."""
    machine = result.machine
    digest = f" ({result.targets[0].model_digest})" if result.targets else ""
    head = (
        f"{_model(result)}{digest}, {result.options['rounds']} rounds; {machine.cpu}, "
        f"{machine.cores} cores; revision {machine.git_revision}, {machine.started_at}"
    )
    lines = [head, "", "| " + " | ".join(COLUMNS) + " |", "| --- " * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(cells(each)) + " |" for each in result.summary]
    return "\n".join([*lines, *(f"\nMissing: {each}" for each in result.missing)]) + "\n"


def cells(each: Figure) -> tuple[str, ...]:
    """One for each of COLUMNS; the last is the verdict."""
    if each.value is None:
        return each.name, _bar(each), "–", "–", "–", each.note
    verdict = {True: "pass", False: "MISS", None: each.note}[each.passed]
    median = f"{number(each.value)} {each.unit}".rstrip()
    return (
        each.name,
        _bar(each),
        median,
        _range(each.low, each.high),
        _range(each.minimum, each.maximum),
        verdict,
    )


def _bar(each: Figure) -> str:
    if each.bar is None:
        return ""
    return f"{'≥' if each.higher_is_better else '≤'} {number(each.bar)} {each.unit}".rstrip()


def _range(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{number(low)} – {number(high)}"


def number(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
