"""The benchmark of several nodes behind one target: `python -m perf.pool` prints a table and writes JSON."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from perf import peers
from perf.cli.outcome import EXIT_PARTIAL
from perf.machine import describe
from perf.pool.bars import rows
from perf.pool.parts import MEASURED_S, PARTS
from perf.rounds import Run, alone, chosen, clean_up_on_sigterm, deliver, plain_console
from perf.table import Report, Sample

MODEL = "scripted speed"


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option("--only", default="", callback=chosen(list(PARTS)), help=f"Some of: {', '.join(PARTS)}.")
@click.option("--seconds", default=MEASURED_S, show_default=True, help="Measured time of a part.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where the JSON goes.")
def main(rounds: int, only: list[str], seconds: float, out: Path | None) -> None:
    """Measures what several nodes are worth against the bars; needs no model.

    Exits 0 whatever the figures say, 1 when some of them are missing: what was measured is written.
    """
    clean_up_on_sigterm()
    console = plain_console()
    with alone():
        result = measure_all(Run(rounds, console), only, seconds)
    deliver(result, "pool", out, console)
    if result.missing:
        click.get_current_context().exit(EXIT_PARTIAL)


def measure_all(run: Run, parts: Sequence[str], seconds: float) -> Report:
    """The report of all rounds."""
    machine = describe(peers.ROOT)
    for number in range(run.rounds):
        for part in parts:
            run.once(part, number, partial(_measure, run, part, seconds))
    return Report(
        machine, MODEL, "", None, None, run.rounds, run.noise, rows(run.samples), run.samples, run.missing
    )


def _measure(run: Run, part: str, seconds: float, number: int) -> Iterator[Sample]:
    with run.tolerating(part, number):
        for key, value in PARTS[part](seconds):
            yield Sample(number, key, value)
