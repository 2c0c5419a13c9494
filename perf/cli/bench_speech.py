"""`genai-xapp bench speech`."""

from pathlib import Path

import click

from perf.cli.bar_modes import BarMode, bar_options, run_models
from perf.record.result_schema import Mode
from perf.speech import speech_bars
from perf.speech.measure_speech import measure_speech
from perf.speech.parts import PARTS


@click.command()
@bar_options(list(PARTS))
def speech(*, rounds: int, only: list[str], models: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Speech against its bars: word errors, speed, and the time to the first audio of an answer.

    It needs the extra `speech`, and the part `roundtrip` needs Riva's client. Exit code 0 whatever the
    figures say, 1 when some are missing: what was measured is written.
    """
    mode = BarMode(
        Mode.SPEECH,
        lambda run, model: measure_speech(run, model, only),
        lambda samples, _model: speech_bars.rows(samples),
    )
    run_models(mode, models, {"only": only, "rounds": rounds}, out, as_json=as_json)
