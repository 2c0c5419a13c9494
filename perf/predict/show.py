"""Predictions and their check as tables for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from perf.predict.catalogue_shapes import CatalogueShape
from perf.predict.check import Checked
from perf.predict.prediction import Prediction
from perf.predict.speeds import Rate, Speeds
from perf.predict.tables import Board
from perf.report.figure_words import number

_GIGA = 1e9


def predictions(
    console: Console, board: Board, speeds: Speeds, found: Sequence[tuple[CatalogueShape, Prediction]]
) -> None:
    """A row for each model, the fastest first."""
    table = Table(title=board.title, title_justify="left", box=None, pad_edge=False)
    table.add_column("MODEL", no_wrap=True)
    for heading in ("FILE", "DECODE", "95 %", "THREADS", "PREFILL", "95 %", "THREADS"):
        table.add_column(heading, justify="right", no_wrap=True)
    for shape, each in sorted(found, key=lambda pair: -pair[1].decode.value):
        threads = str(each.decode_threads), str(each.prefill_threads)
        cells = (*_cells(each.decode), threads[0], *_cells(each.prefill), threads[1])
        table.add_row(shape.name, f"{shape.file_bytes / _GIGA:.2f} GB", *cells)
    console.print(table)
    console.print(_basis(speeds), markup=False)


def _cells(rate: Rate) -> tuple[str, str]:
    return number(rate.value), f"{number(rate.low)} – {number(rate.high)}"


def _basis(speeds: Speeds) -> str:
    reads = speeds.bandwidth
    parts = [f"decode reads {reads.value / _GIGA:.1f} GB/s ({reads.num} figures)"]
    for kernels, rate in speeds.compute.items():
        parts.append(f"{kernels} kernels multiply {rate.value / _GIGA:.0f} billion weights/s ({rate.num})")
    return f"Tokens a second of one request. {'; '.join(parts)}."


def checks(console: Console, found: Sequence[Checked]) -> None:
    """A row for each public figure."""
    table = Table(box=None, pad_edge=False)
    for heading in ("BOARD", "MODEL", "FORMAT", "PHASE"):
        table.add_column(heading, no_wrap=True)
    for heading in ("FIGURE", "PREDICTED", "ERROR"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("VERDICT")
    table.add_column("SOURCE")
    for each in found:
        table.add_row(*row(each))
    console.print(table)
    console.print(summary(found), markup=False)


def row(each: Checked) -> tuple[str, ...]:
    """The cells of one figure."""
    figure = each.figure
    predicted = "–" if each.predicted is None else number(each.predicted)
    error = "–" if each.error is None else f"{each.error:+.0%}"
    names = (figure.board, figure.model, figure.format, each.phase)
    return *names, number(each.measured), predicted, error, each.verdict, figure.source


def summary(found: Sequence[Checked]) -> str:
    """How many are within their bars."""
    known = [each for each in found if each.kept is not None]
    kept = sum(each.kept is True for each in known)
    named = sum(each.kept is False and each.is_named for each in known)
    return f"{kept} of {len(known)} figures are within the bar, {named} deviate for a reason that is named."
