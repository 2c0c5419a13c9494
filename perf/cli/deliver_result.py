"""How a mode ends: the figures as a table or as JSON, where the file is, and the exit status."""

from collections.abc import Callable
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from perf.record.result_files import write_result
from perf.record.result_schema import Figure, Result, Status
from perf.report import figure_words

EXIT_PARTIAL = 1
_PLAIN_WIDTH = 120


def deliver(
    result: Result, path: Path, *, as_json: bool, show: Callable[[Result], None] | None = None
) -> None:
    """Writes the file, shows it, in the mode's own way if it has one; exit status 1 for a partial run.

    Raises RecordError.
    """
    if delivered(result, path, as_json=as_json, show=show):
        click.get_current_context().exit(EXIT_PARTIAL)


def delivered(
    result: Result, path: Path, *, as_json: bool, show: Callable[[Result], None] | None = None
) -> bool:
    """`deliver` for who goes on after it: whether the run is partial."""
    write_result(path, result)
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
    else:
        (show or show_figures)(result)
    click.echo(f"written: {path}", err=True)
    for each in result.missing:
        click.echo(f"missing: {each}", err=True)
    return result.status is Status.PARTIAL


def show_figures(result: Result) -> None:
    """The figures, group by group, and what they were measured on."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    console.print(table(result))
    for note in result.notes:
        console.print(note, style="dim", markup=False)
    console.print(
        f"{result.machine.cpu}, {result.machine.cores} cores; {result.machine.git_revision}", markup=False
    )


def table(result: Result) -> Table:
    """One row a figure."""
    found = Table(title=f"bench {result.mode}, {result.node}, {result.status}")
    for column in ("figure", "group", "value", "95 % interval", "n", ""):
        found.add_column(column, justify="right" if column in {"value", "95 % interval", "n"} else "left")
    for figure in result.summary:
        found.add_row(*_cells(figure))
    return found


def _cells(figure: Figure) -> tuple[str, ...]:
    factor, unit = figure_words.scale([figure])
    value = (
        figure_words.NONE
        if figure.value is None
        else f"{figure_words.number(figure.value * factor)} {unit}".rstrip()
    )
    interval = ""
    if figure.low is not None and figure.high is not None:
        interval = f"{figure_words.number(figure.low * factor)} – {figure_words.number(figure.high * factor)}"
    return figure.name, figure.group, value, interval, str(figure.num_samples or ""), figure.note
