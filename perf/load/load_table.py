"""The run as people read it: one row a step."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from perf.record.result_schema import Figure, Result

_PLAIN_WIDTH = 170
_COLUMNS = (
    ("TTFT, s\np50 / p95 / p99", ("ttft.p50", "ttft.p95", "ttft.p99")),
    ("ITL, ms\np50 / p95 / p99", ("itl.p50", "itl.p95", "itl.p99")),
    ("TPOT, ms\np50 / p95 / p99", ("tpot.p50", "tpot.p95", "tpot.p99")),
    ("e2e, s\np50 / p95 / p99", ("e2e.p50", "e2e.p95", "e2e.p99")),
    ("output\ntok/s", ("output_tokens_per_second",)),
    ("goodput\n1/s", ("goodput",)),
    ("in\nlimits", ("attainment",)),
    ("errors", ("errors",)),
    ("client\nCPU", ("client_cpu_share",)),
)


def show(result: Result) -> None:
    """Steps, the highest rate, and the notes."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    console.print(table(result))
    for figure in result.summary:
        if figure.name == "highest_rate":
            value = "none" if figure.value is None else f"{figure.value:g} a second"
            console.print(f"highest rate: {value} ({figure.note})", markup=False)
    for note in result.notes:
        console.print(note, style="dim", markup=False)


def table(result: Result) -> Table:
    """One row a group."""
    groups: dict[str, dict[str, Figure]] = {}
    for figure in result.summary:
        if figure.group:
            groups.setdefault(figure.group, {})[figure.name] = figure
    found = Table(title=f"bench load: {result.targets[0].model} on {result.node}, {result.status}")
    found.add_column("step")
    for title, _ in _COLUMNS:
        found.add_column(title, justify="right", no_wrap=True)
    for group, figures in groups.items():
        cells = [_cell(figures, names, milli=", ms" in title) for title, names in _COLUMNS]
        found.add_row(group, *cells)
    return found


def _cell(figures: Mapping[str, Figure], names: tuple[str, ...], *, milli: bool) -> str:
    found = [figures[name].value if name in figures else None for name in names]
    if all(value is None for value in found):
        return "–"
    return " / ".join(_number(value, milli=milli) for value in found)


def _number(value: float | None, *, milli: bool) -> str:
    if value is None:
        return "–"
    return f"{1000 * value:.1f}" if milli else f"{value:.3g}"
