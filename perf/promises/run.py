"""The benchmark of promises: each row of the table a ratio or a bound, measured in interleaved rounds.

`python -m perf.promises` prints a table and writes JSON. Each row starts its servers anew in each round:
ours with its defaults, llama-server where `make peers` has built it, and what the row compares them with.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from perf import peers
from perf.cli.outcome import EXIT_PARTIAL
from perf.machine import describe
from perf.promises import bars, critical, estimates, overload, pinned, refusal, score, typed
from perf.promises.field import Field
from perf.rounds import Run, alone, chosen, clean_up_on_sigterm, deliver, plain_console
from perf.shape import EngineShape
from perf.table import Report, Sample
from xapp.config import Settings, load_settings
from xapp.models.digest import digest_of
from xapp.models.store import resolve

PARTS = {
    "overload": overload.measure,
    "critical": critical.measure,
    "refusal": refusal.measure,
    "estimate": estimates.measure,
    "pinned": pinned.measure,
    "score": score.measure,
    "typed": typed.measure,
}

Part = Callable[[Field, Run, int], Iterator[Sample]]


class Rounds:
    """Measures parts. `shape` and `flags` say how the contenders were started."""

    def __init__(self, run: Run, model: str, path: Path) -> None:
        self._run = run
        self._model = model
        self._path = path
        self.shape: EngineShape | None = None
        self.flags: list[str] | None = None

    def all(self, parts: Sequence[str]) -> None:
        """Every part in each round: drift of the machine favours none."""
        for number in range(self._run.rounds):
            for part in parts:
                self._run.once(part, number, partial(self._measure, part))

    def _measure(self, part: str, number: int) -> Iterator[Sample]:
        with self._run.tolerating(part, number), Field(self._model, self._path) as field:
            try:
                yield from PARTS[part](field, self._run, number)
            finally:
                self.shape = field.shape or self.shape
                self.flags = field.flags or self.flags


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100))
@click.option("--only", default="", callback=chosen(list(PARTS)), help=f"Some of: {', '.join(PARTS)}.")
@click.option(
    "--model", default=lambda: load_settings(os.environ).node.model, help="Name or path of the model."
)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where the JSON goes.")
def main(rounds: int, only: list[str], model: str, out: Path | None) -> None:
    """Measures what callers are promised against the bars.

    Exits 0 whatever the figures say, 1 when some of them are missing: what was measured is written.
    """
    clean_up_on_sigterm()
    console = plain_console()
    settings = load_settings(os.environ, {"model": model})
    with alone():
        result = measure_all(Run(rounds, console), settings, only)
    deliver(result, "promises", out, console)
    if result.missing:
        click.get_current_context().exit(EXIT_PARTIAL)


def measure_all(run: Run, settings: Settings, parts: Sequence[str]) -> Report:
    """The report of all rounds."""
    file = resolve(settings.node.model, Path(settings.node.models_dir))
    machine = describe(peers.ROOT)
    rounds = Rounds(run, settings.node.model, file.path)
    try:
        rounds.all(parts)
    except (KeyboardInterrupt, SystemExit):
        run.missing.append("the rest: the benchmark was told to stop")
    return Report(
        machine,
        settings.node.model,
        digest_of(file.path),
        rounds.shape,
        rounds.flags,
        run.rounds,
        run.noise,
        bars.rows(run.samples, parts),
        run.samples,
        run.missing,
    )
