"""`genai-xapp bench embedding`."""

import os
from pathlib import Path

import click

from perf.cli.bar_modes import BarMode, bar_options, run_models
from perf.embedding import embedding_bars
from perf.embedding.measure_embedding import PARTS, measure_embedding
from perf.record.result_schema import Mode
from xapp.config import load_settings
from xapp.models.store import resolve


@click.command()
@click.option("--embedder", required=True, metavar="NAME|PATH", help="The embedding model.")
@bar_options(list(PARTS))
def embedding(
    *, embedder: str, rounds: int, only: list[str], models: tuple[str, ...], out: Path | None, as_json: bool
) -> None:
    """Vectors against their bars: speed against bare llama.cpp, and the gaps of running answers beside them.

    --model is the model that generates. Exit code 0 whatever the figures say, 1 when some are missing: what
    was measured is written.
    """
    path = resolve(embedder, Path(load_settings(os.environ).node.models_dir)).path
    mode = BarMode(
        Mode.EMBEDDING,
        lambda run, model: measure_embedding(run, model, path, only),
        lambda samples, _model: embedding_bars.rows(samples),
    )
    told = {"only": only, "rounds": rounds, "embedder": embedder}
    run_models(mode, models, told, out, as_json=as_json)
