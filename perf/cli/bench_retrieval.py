"""`genai-xapp bench retrieval`."""

import os
from pathlib import Path

import click

from perf.cli.bar_modes import BarMode, bar_options, run_models
from perf.data.questions import MultipleChoice, read_choices
from perf.data.read_rows import DataError
from perf.record.result_schema import Mode
from perf.retrieval import retrieval_bars
from perf.retrieval.corpus import read_corpus
from perf.retrieval.measure_retrieval import PARTS, Work, measure_retrieval
from xapp.config import load_settings
from xapp.models.store import resolve

_EXISTING = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--embedder", required=True, metavar="NAME|PATH", help="The embedding model.")
@click.option("--reranker", metavar="NAME|PATH", help="Sort again with this model, too.")
@click.option(
    "--corpus", type=_EXISTING, multiple=True, required=True, help="A folder of documents. Repeatable."
)
@click.option("--questions", type=_EXISTING, help="Multiple choice, one JSON object a line.")
@click.option(
    "--passages", type=click.IntRange(1), default=20_000, show_default=True, help="Searched for the cost."
)
@click.option("--kills", type=click.IntRange(1), default=50, show_default=True, help="Writers to kill.")
@click.option(
    "--asked", type=click.IntRange(1), default=200, show_default=True, help="Most questions of a kind."
)
@bar_options(list(PARTS))
def retrieval(
    *,
    embedder: str,
    reranker: str | None,
    corpus: tuple[Path, ...],
    questions: Path | None,
    passages: int,
    kills: int,
    asked: int,
    rounds: int,
    only: list[str],
    models: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Collections against their bars: the cost of a search, crashes, and what is found.

    A sentence that is taken out of its passage has to find the passage. Those of --questions count whose
    right answer is in the corpus; --model answers them with and without passages. Exit code 0 whatever the
    figures say, 1 when some are missing.
    """
    folder = Path(load_settings(os.environ).node.models_dir)
    sorting = resolve(reranker, folder).path if reranker else None
    path = resolve(embedder, folder).path
    work = Work(read_corpus(corpus), _questions(questions), path, sorting, passages, kills, asked)
    if not work.texts:
        raise click.UsageError("--corpus: no document can be read")
    mode = BarMode(
        Mode.RETRIEVAL,
        lambda run, model: measure_retrieval(run, model, work, only),
        lambda samples, _model: retrieval_bars.rows(samples, passages),
    )
    told = {
        "only": only,
        "rounds": rounds,
        "embedder": embedder,
        "reranker": reranker,
        "corpus": sorted(text.id for text in work.texts),
        "questions": len(work.questions),
        "passages": passages,
        "kills": kills,
        "asked": asked,
    }
    run_models(mode, models, told, out, as_json=as_json)


def _questions(path: Path | None) -> list[MultipleChoice]:
    try:
        return read_choices(path) if path else []
    except DataError as error:
        raise click.ClickException(str(error)) from error
