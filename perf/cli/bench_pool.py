"""`genai-xapp bench pool`."""

from pathlib import Path

import click

from perf.cli import shared_options
from perf.cli.bar_modes import BarMode, chosen, run_model
from perf.cli.deliver_result import EXIT_PARTIAL
from perf.cli.given_models import GivenModel
from perf.cli.option_values import rounds_option
from perf.pool import bars
from perf.pool.measure_pool import measure_pool
from perf.pool.parts import MEASURED_S, PARTS
from perf.record.result_schema import Mode

SCRIPTED = GivenModel("", "scripted-speed", "")
"""Steps sleep for as long as a script says: no model is needed."""


@click.command()
@rounds_option
@click.option("--only", default="", callback=chosen(list(PARTS)), help=f"Some of: {', '.join(PARTS)}.")
@click.option("--seconds", default=MEASURED_S, show_default=True, help="Measured time of a part.")
@shared_options.out_option
@shared_options.json_option
def pool(*, rounds: int, only: list[str], seconds: float, out: Path | None, as_json: bool) -> None:
    """What several nodes behind one target are worth, against the bars; needs no model.

    Exit code 0 whatever the figures say, 1 when some are missing: what was measured is written.
    """
    mode = BarMode(
        Mode.POOL,
        lambda run, _model: measure_pool(run, only, seconds),
        lambda samples, _model: bars.rows(samples),
    )
    told = {"only": only, "rounds": rounds, "seconds": seconds}
    if run_model(mode, SCRIPTED, told, out, as_json=as_json):
        click.get_current_context().exit(EXIT_PARTIAL)
