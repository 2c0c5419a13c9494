"""`genai-xapp models optimize`: finds the fastest format of the weights on this CPU, and writes it."""

import json
import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xapp.cli.models_options import folder_option, json_option
from xapp.cli.progress import TerminalProgress
from xapp.cli.say import say
from xapp.cli.sizes import size_text
from xapp.errors import ModelError
from xapp.models.formats import FORMATS, USUAL
from xapp.models.store import resolve

if TYPE_CHECKING:
    from xapp.backend.optimize.jobs import Blank
    from xapp.backend.optimize.run import Written

BEST = "best"


def _formats_help() -> str:
    losses = "; ".join(f"{each.name}: {each.loss}" for each in FORMATS.values())
    return (
        f"A format to try; may be given several times. Default: {', '.join(USUAL)}. What it loses: {losses}."
    )


def _number(_: click.Context, __: click.Parameter, value: float) -> float:
    """Refuses "nan", which a range accepts."""
    if math.isnan(value):
        raise click.BadParameter("nan is no number")
    return value


@click.command(short_help="Measure a model in other formats, and write the fastest.")
@click.argument("name")
@folder_option
@json_option
@click.option("--format", "formats", multiple=True, type=click.Choice(list(FORMATS)), help=_formats_help())
@click.option(
    "--rounds",
    type=click.IntRange(0, 20),
    default=3,
    show_default=True,
    help="How often each format is timed, in turns; the median counts. 0, with --write FORMAT: not at all.",
)
@click.option(
    "--write",
    type=click.Choice([BEST, *FORMATS]),
    help="Keep this format beside the source, as NAME.FORMAT.gguf; best: the fastest within --max-loss.",
)
@click.option(
    "--max-loss",
    type=click.FloatRange(min=0, max=100),
    callback=_number,
    default=2.0,
    show_default=True,
    metavar="PERCENT",
    help="Most perplexity that best may lose against the source, what the text leaves open counted in.",
)
@click.option(
    "--winogrande",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Sentences of WinoGrande that each format fills in as well: the file that bench accuracy takes.",
)
@click.option(
    "--items",
    type=click.IntRange(1, 5000),
    default=100,
    show_default=True,
    help="How many sentences of that file, taken evenly over it.",
)
def optimize(  # noqa: PLR0917  one for each option
    name: str,
    folder: Path,
    as_json: bool,
    formats: tuple[str, ...],
    rounds: int,
    write: str | None,
    max_loss: float,
    winogrande: Path | None,
    items: int,
) -> None:
    """Write the weights of model NAME in other formats, and measure what each gains and loses here.

    llama.cpp computes some formats much faster than others, and which ones depends on the CPU. The table
    shows for each: size, tokens a second of a prompt of 512 and of 1, 4 and 8 answers together, the most
    memory, and the loss: by how much perplexity rises on a short English text, and how often the model's
    favourite next token stays the same. Measure on an idle node.

    Copies need room beside the source while this runs. Without --write none is kept.
    """
    from xapp.backend.optimize.run import Wish  # noqa: PLC0415  needs the server extra
    from xapp.backend.optimize.run import optimize as run  # noqa: PLC0415
    from xapp.cli.models_optimize_view import as_document, show  # noqa: PLC0415

    if not rounds and write in (None, BEST):
        raise click.UsageError("--rounds 0 measures nothing: say with --write which format to write")
    if not rounds and winogrande:
        raise click.UsageError("--rounds 0 measures nothing: leave out --winogrande")
    blanks = _blanks(winogrande, items) if winogrande else ()
    wish = Wish(formats or USUAL, rounds, max_loss / 100, write or "", blanks)
    model = resolve(name, folder)
    with _ended_as_by_ctrl_c(), TerminalProgress(model.name) as progress:
        outcome = run(model, wish, progress)
    if as_json:
        say(json.dumps(as_document(outcome, wish), indent=2))
        return
    if rounds:
        show(outcome, wish)
    if outcome.written:
        _tell_written(outcome.written, folder)


def _blanks(path: Path, items: int) -> tuple["Blank", ...]:
    from perf.data.blanks import read_blanks  # noqa: PLC0415
    from perf.data.read_rows import DataError  # noqa: PLC0415

    try:
        return read_blanks(path, items)
    except DataError as error:
        raise ModelError(str(error), reason="BAD_DATA") from error


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """A closed terminal or `kill` ends the run as Ctrl-C does: no half file may stay. Under `nohup` the
    terminal may close.
    """
    heard = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) != signal.SIG_IGN]
    kept = {each: signal.signal(each, signal.default_int_handler) for each in heard}
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


def _tell_written(written: "Written", folder: Path) -> None:
    how = "is there already" if written.was_there else "written and checked"
    size = size_text(written.record.size)
    say(f"{written.model.name} {how}: {written.model.path} ({size})")
    in_folder = written.model.path.parent.resolve() == folder.resolve()
    name = written.model.name if in_folder else written.model.path
    say(f"serve it: genai-xapp serve --model {name}")
