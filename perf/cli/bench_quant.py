"""`genai-xapp bench quant`: one model in several formats."""

import os
import time
from pathlib import Path

import click

from perf.cli import shared_options
from perf.cli.deliver_result import deliver
from perf.cli.option_values import model_option
from perf.data.blanks import read_blanks
from perf.data.read_rows import DataError
from perf.machine import Machine, NoiseMeter, describe
from perf.peers.peer_paths import ROOT
from perf.quant import quant_picture
from perf.quant.quant_figures import figures
from perf.quant.quant_samples import samples_of
from perf.record.result_files import result_path, write_text
from perf.record.result_schema import Mode, Result, Status, Target
from perf.record.sample_rows import encode
from xapp.backend.optimize.run import Outcome, Wish, optimize
from xapp.cli.progress import TerminalProgress
from xapp.config import load_settings
from xapp.models.formats import FORMATS, USUAL
from xapp.models.store import resolve

_NOTE = "The source is rounded already: what that lost does not come back in any format."


@click.command()
@model_option
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(list(FORMATS)),
    help=f"A format to try. Repeatable. Default: {', '.join(USUAL)}.",
)
@click.option(
    "--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="Of speed, in turns."
)
@click.option(
    "--winogrande",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Sentences that each format fills in: the file that bench accuracy takes.",
)
@click.option(
    "--items", type=click.IntRange(1, 5000), default=200, show_default=True, help="Of its sentences."
)
@shared_options.out_option
@shared_options.json_option
def quant(  # noqa: PLR0917  one for each option
    model: str,
    formats: tuple[str, ...],
    rounds: int,
    winogrande: Path | None,
    items: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Memory, prefill, decode, perplexity and WinoGrande of a model's weights in several formats.

    The formats are made and measured as by `models optimize`, and removed again. Beside the result file comes
    one picture as SVG. Measure on an idle node.
    """
    settings = load_settings(os.environ, {"model": model})
    file = resolve(settings.node.model, Path(settings.node.models_dir).expanduser())
    try:
        blanks = read_blanks(winogrande, items) if winogrande else ()
    except DataError as error:
        raise click.ClickException(str(error)) from error
    machine, began, noise = describe(ROOT), time.monotonic(), NoiseMeter()
    with TerminalProgress(file.name) as progress:
        outcome = optimize(file, Wish(formats or USUAL, rounds, max_loss=1.0, blanks=blanks), progress)
    result = _result(outcome, machine, noise, time.monotonic() - began, rounds, len(blanks))
    path = result_path(Mode.QUANT, file.name, out)
    drawn = quant_picture.draw("quant", f"{result.node}, {file.name}", result.summary)
    deliver(result, path, as_json=as_json, show=None)
    write_text(path.with_suffix(".svg"), drawn.svg.decode())


def _result(  # noqa: PLR0917  what a result consists of
    outcome: Outcome, machine: Machine, noise: NoiseMeter, seconds: float, rounds: int, items: int
) -> Result:
    faults = [f"{each.format}: {each.fault}" for each in outcome.measured if each.fault]
    complete = [each for each in outcome.measured if each.complete]
    name = outcome.source.name
    return Result(
        mode=Mode.QUANT,
        node=os.uname().nodename,
        machine=machine,
        targets=[Target("llama.cpp", "library", "child processes", name, outcome.digest)],
        options={"model": name, "rounds": rounds, "items": items, "threads": outcome.threads},
        seeds={},
        started_at=machine.started_at,
        duration_s=seconds,
        status=Status.PARTIAL if faults else Status.COMPLETE,
        summary=figures(outcome.measured),
        samples=[encode(sample) for each in complete for sample in samples_of(each)],
        missing=faults,
        noise=[noise.read()],
        notes=[_NOTE] if outcome.source_is_rounded else [],
    )
