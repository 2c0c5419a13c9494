"""`genai-xapp bench serving`."""

from pathlib import Path

import click

from perf.cli.bar_modes import BarMode, bar_options, run_models
from perf.cli.option_values import streams_option
from perf.record.result_schema import Mode
from perf.serving.measure_serving import PARTS, figures, measure_serving


@click.command()
@bar_options(PARTS)
@streams_option("Numbers of streams.")
def serving(
    *,
    rounds: int,
    streams: list[int],
    only: list[str],
    models: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Speed and memory of serving against their bars, beside llama-server and a bare loop.

    What each part is: docs/benchmarks.md#the-bars. Exit code 0 whatever the figures say, 1 when some are
    missing: what was measured is written.
    """
    mode = BarMode(
        Mode.SERVING,
        lambda run, model: measure_serving(run, model, only, streams),
        lambda samples, model: figures(samples, model, only, streams),
    )
    run_models(mode, models, {"only": only, "streams": streams, "rounds": rounds}, out, as_json=as_json)
