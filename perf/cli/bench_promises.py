"""`genai-xapp bench promises`."""

from pathlib import Path

import click

from perf.cli.bar_modes import BarMode, bar_options, run_models
from perf.promises import promise_bars
from perf.promises.measure_promises import PARTS, measure_promises
from perf.record.result_schema import Mode


@click.command()
@bar_options(list(PARTS))
def promises(
    *, rounds: int, only: list[str], models: tuple[str, ...], out: Path | None, as_json: bool
) -> None:
    """Deadlines, priorities, predictions and typed answers against their bars.

    What each part is: docs/benchmarks.md#the-bars. Exit code 0 whatever the figures say, 1 when some are
    missing: what was measured is written.
    """
    mode = BarMode(
        Mode.PROMISES,
        lambda run, model: measure_promises(run, model, only),
        lambda samples, _model: promise_bars.rows(samples, only),
    )
    run_models(mode, models, {"only": only, "rounds": rounds}, out, as_json=as_json)
