"""`genai-xapp bench predict`: the speed of models on named boards, from public figures and this machine."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from perf.cli import shared_options
from perf.predict import prediction, show
from perf.predict.catalogue_shapes import CatalogueShape, catalogue_shapes
from perf.predict.check import Checked, check
from perf.predict.prediction import Prediction
from perf.predict.speeds import Speeds, speeds_of
from perf.predict.tables import Board, boards, public_figures
from perf.predict.this_machine import HERE, board_here, measure_here
from perf.record.result_files import RecordError, read_result
from perf.record.result_schema import Mode
from xapp.config import load_settings
from xapp.models.store import local_models

_WIDTH = 160
EXIT_OUTSIDE = 1


@click.command()
@click.option(
    "--board",
    "names",
    multiple=True,
    type=click.Choice([*boards(), HERE]),
    default=["pi5"],
    show_default=True,
    help="The board; here: this machine, measured now with the models that are on it. Repeatable.",
)
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this model. Repeatable.")
@click.option(
    "--memory", type=click.FloatRange(min=0.1), metavar="GB", help="Of the board, if not the usual."
)
@click.option(
    "--engine",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A result of bench engine: what our server costs over llama.cpp is taken off decode.",
)
@click.option(
    "--check", "checks", is_flag=True, help="Compare with every public figure. Exit status 1 outside."
)
@shared_options.json_option
def predict(
    *,
    names: tuple[str, ...],
    models: tuple[str, ...],
    memory: float | None,
    engine: Path | None,
    checks: bool,
    as_json: bool,
) -> None:
    """Prefill and decode of each catalogue model on a board, with intervals.

    Decode is bound by the memory's bandwidth, prefill by the computing of the kernels. Both rates of a board
    follow from public measurements, each with its source. Intervals are those of another measurement (95 %).
    With --check each public figure is predicted from all others: decode within 15 %, prefill within 25 %, and
    figures that deviate are named.
    """
    if checks:
        _check([name for name in names if name != HERE], as_json=as_json)
        return
    settings = load_settings(os.environ, {})
    folder = Path(settings.node.models_dir).expanduser()
    shapes = [each for each in catalogue_shapes(folder) if not models or each.name in models]
    if not shapes:
        raise click.UsageError(f"no model of the catalogue has this name: {', '.join(models)}")
    overhead = 1.0 if engine is None else _overhead(engine)
    found = [_predicted(name, shapes, folder, memory, overhead) for name in names]
    if as_json:
        click.echo(json.dumps([_document(*each) for each in found], indent=2))
        return
    for board, speeds, predictions in found:
        show.predictions(_console(), board, speeds, predictions)


_Predictions = list[tuple[CatalogueShape, Prediction]]


def _predicted(
    name: str, shapes: list[CatalogueShape], folder: Path, memory: float | None, overhead: float
) -> tuple[Board, Speeds, _Predictions]:
    board = board_here() if name == HERE else boards()[name]
    speeds = _measured(board, shapes, folder) if name == HERE else speeds_of(board, public_figures())
    memory_gb = board.memory_gb if memory is None else memory
    fitting = [each for each in shapes if each.file_bytes <= memory_gb * 1e9]
    return (
        board,
        speeds,
        [(each, prediction.predict(each.shape, each.kernels, board, speeds, overhead)) for each in fitting],
    )


def _measured(board: Board, shapes: list[CatalogueShape], folder: Path) -> Speeds:
    by_name = {each.name: each.shape for each in shapes}
    here = [(file, by_name[file.name]) for file in local_models(folder) if file.name in by_name]
    if not here:
        raise click.ClickException(f"no model of the catalogue is in {folder}: pull one first")
    return measure_here(here, board.threads)


def _overhead(path: Path) -> float:
    try:
        result = read_result(path)
    except RecordError as error:
        raise click.ClickException(str(error)) from error
    figures = (each for each in result.summary if (each.name, each.group) == ("overhead_ratio", "client/1"))
    value = next((each.value for each in figures), None)
    if result.mode is not Mode.ENGINE or value is None:
        raise click.ClickException(f"{path}: no overhead_ratio of client/1; run bench engine --streams 1")
    return value


def _document(board: Board, speeds: Speeds, predictions: _Predictions) -> dict[str, Any]:
    return {
        "board": board.name,
        "bandwidth_bytes_per_s": asdict(speeds.bandwidth),
        "compute_weights_per_s": {name: asdict(rate) for name, rate in speeds.compute.items()},
        "models": [
            {"model": shape.name, "file_bytes": shape.file_bytes, "exact_bytes": shape.exact, **asdict(each)}
            for shape, each in predictions
        ],
    }


def _check(names: list[str], *, as_json: bool) -> None:
    found = [each for name in names for each in check(name)]
    if as_json:
        click.echo(json.dumps([_checked(each) for each in found], indent=2))
    else:
        show.checks(_console(), found)
    if any(each.kept is False and not each.is_named for each in found):
        click.get_current_context().exit(EXIT_OUTSIDE)


def _checked(each: Checked) -> dict[str, Any]:
    figure = each.figure
    return {
        "board": figure.board,
        "model": figure.model,
        "format": figure.format,
        "phase": each.phase,
        "measured": each.measured,
        "predicted": each.predicted,
        "error": each.error,
        "verdict": each.verdict,
        "source": figure.source,
    }


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)
