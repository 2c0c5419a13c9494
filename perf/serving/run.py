"""The benchmark of serving: every figure a ratio or a bound, measured in one run, in interleaved rounds.

`python -m perf.serving` prints a table and writes JSON. The contenders are `baseline` (bare
llama_decode), `worker` (no server around it), `grpc` (our server and its client) and `llama`
(llama-server and its client, when `make peers` has built it). One works at a time;
all are started anew for each round. The loads are those of `genai-xapp bench compare`.
"""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from perf import peers
from perf.cli.models import GivenModel, here, models_option
from perf.cli.options import resumable
from perf.compare.loads import Asked
from perf.machine import describe
from perf.rounds import Run, alone, chosen, clean_up_on_sigterm, deliver, plain_console
from perf.serving import abort, bars, footprint, loads, measure
from perf.serving.field import Field
from perf.shape import EngineShape
from perf.table import Report, Sample
from xapp.config import Settings, load_settings
from xapp.models.store import resolve

_OTHERS = {"prefix": measure.prefix, "cancel": measure.cancel}
SIDE_BY_SIDE = ("decode", *_OTHERS)
PARTS = (*loads.PARTS, *SIDE_BY_SIDE, "abort", "footprint")


class SideBySide:
    """One round: all contenders are started anew, warmed up, measured, ended."""

    def __init__(self, model: str, path: Path, parts: Sequence[str], streams: Sequence[int]) -> None:
        self._model = model
        self._path = path
        self._parts = parts
        self._streams = streams
        self.shape: EngineShape | None = None
        self.flags: list[str] | None = None

    def __call__(self, number: int) -> list[Sample]:
        """The samples of round `number`; `shape` and `flags` say how the contenders were started."""
        with Field(self._model, self._path, number) as field:
            self.shape = field.shape
            self.flags = field.llama.flags if field.llama else None
            measure.warm_up(field)
            return [sample for each in self._measures(field) for sample in each(number)]

    def _measures(self, field: Field) -> Iterator[measure.Measure]:
        if "decode" in self._parts:
            yield from (measure.decode(field, count) for count in self._streams)
        for name, make in _OTHERS.items():
            if name in self._parts:
                yield make(field)


def _streams(_context: click.Context, _option: click.Parameter, value: str) -> list[int]:
    try:
        return [int(each) for each in value.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of numbers") from error


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 1000))
@click.option("--streams", default="1,4,8", show_default=True, callback=_streams, help="Numbers of streams.")
@click.option("--only", default="", callback=chosen(PARTS), help=f"Some of: {', '.join(PARTS)}.")
@models_option
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Where the JSON of one model goes."
)
def main(rounds: int, streams: list[int], only: list[str], models: tuple[str, ...], out: Path | None) -> None:
    """Measures speed and memory against the bars, model after model. Exits 0 whatever the figures say.

    When it is interrupted among the loads, the same command goes on from what was measured of them.
    """
    clean_up_on_sigterm()
    console = plain_console()
    found = here(models)
    if out and len(found) > 1:
        raise click.UsageError("--out: with one model only")
    with alone():
        for model in found:
            result = measure_all(Run(rounds, console), model, only, streams)
            deliver(result, f"serving-{model.name}", out, console)


def measure_all(run: Run, model: GivenModel, parts: Sequence[str], streams: Sequence[int]) -> Report:
    """The loads; then start and memory, alone; then everything else, side by side."""
    settings = load_settings(os.environ, {"model": model.given})
    path = resolve(settings.node.model, Path(settings.node.models_dir)).path
    machine = describe(peers.ROOT)
    _play(run, model, settings, loads.asked(parts, streams))
    if "footprint" in parts:
        run.repeat("start and memory", lambda number: footprint.measure(settings.node.model, path, number))
    if "abort" in parts:
        run.repeat("a cancelled prefill", partial(_abort, run, settings, path))
    side_by_side = SideBySide(settings.node.model, path, parts, streams)
    if set(parts) & set(SIDE_BY_SIDE):
        run.repeat("side by side", side_by_side)
    is_default = model.name == Settings().node.model
    return Report(
        machine,
        model.name,
        model.digest,
        side_by_side.shape,
        side_by_side.flags,
        run.rounds,
        run.noise,
        bars.rows(run.samples, streams, parts, is_default=is_default),
        run.samples,
        run.missing,
    )


def _play(run: Run, model: GivenModel, settings: Settings, asked: Asked) -> None:
    if not asked.loads():
        return
    if not peers.built():
        run.missing.append("llama-server: it is not built, run `make peers`")
    path = loads.path_of(model)
    with resumable(path), run.tolerating("the loads", 0):
        result = loads.play(model, settings.engine.batch_tokens, asked, run.rounds, path)
        run.samples += loads.samples(result)
        run.noise += result.noise
        run.missing += result.missing


def _abort(run: Run, settings: Settings, path: Path, number: int) -> Iterator[Sample]:
    with run.tolerating("a cancelled prefill", number):
        yield from abort.measure(settings.engine, path, number)
