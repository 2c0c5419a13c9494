"""The rows of the table, their bars, and how they are shown and kept."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from perf.machine import Machine, Noise
from perf.record.stats import Interval, ratio_of_pairs, t_interval
from perf.shape import EngineShape
from perf.streams import Summary, summarize

COLUMNS = ("what", "bar", "median", "95 % interval", "min – max", "")
SCHEMA = "genai-xapp-perf/2"


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measured value. `key` is `contender.what.streams`, for instance `grpc.decode.4`."""

    round: int
    key: str
    value: float


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure with its bar. `at_most` says which side of the bar is good; bar None: for information.

    `interval` is of the mean over the rounds, the geometric one where all values are positive.
    """

    what: str
    unit: str
    summary: Summary | None
    bar: float | None = None
    at_most: bool = True
    note: str = ""
    interval: Interval | None = None

    @property
    def passed(self) -> bool | None:
        """Whether the median keeps the bar; None without bar or value."""
        if self.summary is None or self.bar is None:
            return None
        return self.summary.median <= self.bar if self.at_most else self.summary.median >= self.bar


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of one run; `model_digest` is the sha256 of the file. `missing` says what could not be measured.

    `shape` and `llama_server_flags` are of the last round, None where nothing was measured side by side.
    """

    machine: Machine
    model: str
    model_digest: str
    shape: EngineShape | None
    llama_server_flags: list[str] | None
    rounds: int
    noise: list[Noise]
    rows: list[Row]
    samples: list[Sample]
    missing: list[str] = []
    schema: str = SCHEMA


def values(samples: Sequence[Sample], key: str) -> dict[int, float]:
    """The values of a key by round; the last one of a round counts."""
    return {sample.round: sample.value for sample in samples if sample.key == key}


def ratios(samples: Sequence[Sample], above: str, below: str) -> list[float]:
    """Of the rounds that have both: what was measured close together is compared."""
    numerators, denominators = values(samples, above), values(samples, below)
    return [numerators[each] / denominators[each] for each in numerators.keys() & denominators.keys()]


def row(what: str, unit: str, found: Sequence[float], bar: float | None, *, at_most: bool = True) -> Row:
    """A row of what was found; without any it says so."""
    if not found:
        return Row(what, unit, None, bar, at_most, "not measured")
    return Row(what, unit, summarize(found), bar, at_most, interval=_interval(found))


def _interval(found: Sequence[float]) -> Interval:
    # What varies here, speeds of processes, varies by factors: an interval of the logarithms fits it.
    if min(found) <= 0:
        return t_interval(found)
    return ratio_of_pairs(found, [1.0] * len(found))


def write(report: Report, path: Path) -> None:
    """The JSON file, indented, and the table beside it as `.md`. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    path.with_suffix(".md").write_text(markdown(report) + "\n")


def read(path: Path) -> Report:
    """What `write` wrote. Raises OSError, and msgspec.ValidationError for what is no such file."""
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    if report.schema != SCHEMA:
        raise msgspec.ValidationError(f"{path}: schema {report.schema!r}, not {SCHEMA!r}")
    return report


def show(report: Report, console: Console) -> None:
    """The table and what it was measured on."""
    threads = f", {report.shape.num_threads} threads" if report.shape else ""
    table = Table(title=f"{report.model}{threads}, {report.rounds} rounds")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in report.rows:
        table.add_row(*cells(each))
    console.print(table)
    load = max((noise.load_1m for noise in report.noise), default=0.0)
    steal = max((noise.steal_share for noise in report.noise), default=0.0)
    console.print(
        f"{report.machine.cpu}, {report.machine.cores} cores; {report.machine.git_revision}; "
        f"worst round: load {load:.1f}, steal {steal:.1%}"
    )
    for lost in report.missing:
        console.print(f"missing: {lost}", style="red", markup=False)


def markdown(report: Report) -> str:
    """The same table for an issue or a page, and of what it is."""
    machine = report.machine
    head = (
        f"{report.model} ({report.model_digest}), {report.rounds} rounds; {machine.cpu}, "
        f"{machine.cores} cores; revision {machine.git_revision}, {machine.started_at}"
    )
    lines = [head, "", "| " + " | ".join(COLUMNS) + " |", "| --- " * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(cells(each)) + " |" for each in report.rows]
    return "\n".join(lines)


def cells(each: Row) -> tuple[str, ...]:
    """One for each of COLUMNS; the last is the verdict."""
    if each.summary is None:
        return each.what, _bar(each), "–", "–", "–", each.note
    found = each.summary
    verdict = {True: "pass", False: "MISS", None: each.note}[each.passed]
    median = f"{number(found.median)} {each.unit}".rstrip()
    return each.what, _bar(each), median, _shown(each.interval), _range(found.minimum, found.maximum), verdict


def _bar(each: Row) -> str:
    if each.bar is None:
        return ""
    return f"{'≤' if each.at_most else '≥'} {number(each.bar)} {each.unit}".rstrip()


def _shown(interval: Interval | None) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return "–"
    return _range(interval.low, interval.high)


def _range(low: float, high: float) -> str:
    return f"{number(low)} – {number(high)}"


def number(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
