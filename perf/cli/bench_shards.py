"""`genai-xapp bench shards`."""

from pathlib import Path

import click

from perf.cli.bar_modes import BarMode, bar_options, run_models
from perf.record.result_schema import Mode
from perf.shards import bars
from perf.shards.measure_shards import PARTS, measure_shards


@click.command()
@bar_options(PARTS)
def shards(*, rounds: int, only: list[str], models: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """A model over two helpers beside one process: over loopback against the bar, and over a network.

    The helpers are on this machine, in a network namespace where the network is shaped, which needs root.
    Exit code 0 whatever the figures say, 1 when some are missing: what was measured is written.
    """
    mode = BarMode(
        Mode.SHARDS,
        lambda run, model: measure_shards(run, model, only),
        lambda samples, _model: bars.rows(samples, only),
    )
    run_models(mode, models, {"only": only, "rounds": rounds}, out, as_json=as_json)
