"""The benchmark of serving: every figure a ratio or a bound, measured in one run, in interleaved rounds.

`python -m perf.serving` prints a table and writes JSON. The contenders are `baseline` (bare
llama_decode), `worker` (no server around it), `grpc` (our server and its client) and `llama`
(llama-server and its client, when `make peers` has built it). One works at a time;
all are started anew for each round.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from perf import peers
from perf.machine import describe
from perf.rounds import Run, alone, chosen, clean_up_on_sigterm, deliver, plain_console
from perf.serving import bars, footprint, measure
from perf.serving.field import Field
from perf.shape import EngineShape
from perf.table import Report, Sample
from xapp.config import Settings, load_settings
from xapp.models.parts import model_digest
from xapp.models.store import resolve

PARTS = ("decode", "arrival", "prefix", "cancel", "footprint")


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


_OTHERS = {"arrival": measure.arrival, "prefix": measure.prefix, "cancel": measure.cancel}


def _streams(_context: click.Context, _option: click.Parameter, value: str) -> list[int]:
    try:
        return [int(each) for each in value.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of numbers") from error


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 1000))
@click.option("--streams", default="1,4,8", show_default=True, callback=_streams, help="Numbers of streams.")
@click.option("--only", default="", callback=chosen(PARTS), help=f"Some of: {', '.join(PARTS)}.")
@click.option("--model", default=lambda: load_settings(os.environ).model, help="Name or path of the model.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where the JSON goes.")
def main(rounds: int, streams: list[int], only: list[str], model: str, out: Path | None) -> None:
    """Measures speed and memory against the bars. Exits 0 whatever the figures say."""
    clean_up_on_sigterm()
    console = plain_console()
    settings = load_settings(os.environ, {"model": model})
    with alone():
        result = measure_all(Run(rounds, console), settings, only, streams)
    deliver(result, "serving", out, console)


def measure_all(run: Run, settings: Settings, parts: Sequence[str], streams: Sequence[int]) -> Report:
    """Footprint first, alone; then everything else, side by side."""
    file = resolve(settings.model, Path(settings.models_dir))
    machine = describe(peers.ROOT)
    if "footprint" in parts:
        run.repeat("start and memory", lambda number: footprint.measure(settings.model, file.path, number))
    side_by_side = SideBySide(settings.model, file.path, parts, streams)
    if set(parts) != {"footprint"}:
        run.repeat("side by side", side_by_side)
    return Report(
        machine,
        settings.model,
        model_digest(file.path),
        side_by_side.shape,
        side_by_side.flags,
        run.rounds,
        run.noise,
        bars.rows(run.samples, streams, parts),
        run.samples,
        run.missing,
    )
