"""The rows of the table, their bars, and how they are shown and kept."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from perf.machine import Machine, Noise
from perf.shape import EngineShape
from perf.streams import Summary, summarize

SCHEMA = "genai-xapp-perf/1"


class Sample(msgspec.Struct, frozen=True):
    """One measured value. `key` is `contender.what.streams`, for instance `grpc.decode.4`."""

    round: int
    key: str
    value: float


class Row(msgspec.Struct, frozen=True):
    """A figure with its bar. `at_most` says which side of the bar is good; bar None: for information."""

    what: str
    unit: str
    summary: Summary | None
    bar: float | None = None
    at_most: bool = True
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the median keeps the bar; None without bar or value."""
        if self.summary is None or self.bar is None:
            return None
        return self.summary.median <= self.bar if self.at_most else self.summary.median >= self.bar


class Report(msgspec.Struct, frozen=True):
    """All of one run; `model_digest` is the sha256 of the file."""

    machine: Machine
    model: str
    model_digest: str
    shape: EngineShape
    llama_server_flags: list[str] | None
    rounds: int
    noise: list[Noise]
    rows: list[Row]
    samples: list[Sample]
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
    return Row(what, unit, summarize(found), bar, at_most)


def write(report: Report, path: Path) -> None:
    """The JSON file, indented. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def show(report: Report, console: Console) -> None:
    """The table and what it was measured on."""
    table = Table(title=f"{report.model}, {report.shape.num_threads} threads, {report.rounds} rounds")
    for column in ("what", "bar", "median", "min – max", ""):
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


def markdown(report: Report) -> str:
    """The same table for an issue or a page."""
    lines = ["| what | bar | median | min – max | |", "| --- | --- | --- | --- | --- |"]
    lines += ["| " + " | ".join(cells(each)) + " |" for each in report.rows]
    return "\n".join(lines)


def cells(each: Row) -> tuple[str, str, str, str, str]:
    """What, bar, median, range, verdict."""
    bar = (
        "" if each.bar is None else f"{'≤' if each.at_most else '≥'} {number(each.bar)} {each.unit}".rstrip()
    )
    if each.summary is None:
        return each.what, bar, "–", "–", each.note
    found = each.summary
    spread = f"{number(found.minimum)} – {number(found.maximum)}"
    verdict = {True: "pass", False: "MISS", None: each.note}[each.passed]
    return each.what, bar, f"{number(found.median)} {each.unit}".rstrip(), spread, verdict


def number(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
