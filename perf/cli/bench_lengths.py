"""`genai-xapp bench lengths`."""

from itertools import zip_longest
from pathlib import Path

import click

from perf.cli.bar_modes import BarMode, bar_options, run_models
from perf.data.read_rows import DataError
from perf.lengths import length_bars, length_picture
from perf.lengths.ask_lengths import STATE, answer, perception, probe
from perf.lengths.measure_lengths import measure_lengths
from perf.record.result_schema import Mode
from perf.speculation.speculation_items import read_items

ASKED = ("answer", "perception", "probe", STATE)


@click.command()
@click.option(
    "--items",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
    required=True,
    help="Questions, in the JSON lines of Spec-Bench.",
)
@click.option("--limit", type=click.IntRange(min=2), help="At most so many questions of each category.")
@click.option("--max-tokens", type=click.IntRange(2, 4096), default=256, show_default=True)
@bar_options(ASKED)
def lengths(
    *,
    items: Path,
    limit: int | None,
    max_tokens: int,
    rounds: int,
    only: list[str],
    models: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare predictions of the length of an answer, and what an order by them is worth.

    Every other question teaches, the others judge: rank correlation, error, and completion times of bursts
    on virtual time. Beside the result comes a picture. Exit code 0 whatever the figures say, 1 when some
    are missing.
    """
    questions = _questions(items, limit)
    known = {"answer": answer(max_tokens), "perception": perception, "probe": probe}
    asks = {name: ask for name, ask in known.items() if name in only}
    mode = BarMode(
        Mode.LENGTHS,
        lambda run, model: measure_lengths(run, model, questions, asks, with_states=STATE in only),
        lambda samples, _model: length_bars.rows(samples, questions, max_tokens),
        lambda samples: length_picture.draw(length_bars.rows(samples, questions, max_tokens)),
    )
    told = {
        "only": only,
        "rounds": rounds,
        "items": items.name,
        "limit": limit,
        "max_tokens": max_tokens,
    }
    run_models(mode, models, told, out, as_json=as_json)


def _questions(items: Path, limit: int | None) -> list[tuple[str, str]]:
    """Category and text. Pairs of a category take turns, so that each pair has one that teaches."""
    try:
        found = read_items(items, (), limit)
    except DataError as error:
        raise click.ClickException(str(error)) from error
    pairs = [[(name, texts[at : at + 2]) for at in range(0, len(texts), 2)] for name, texts in found.items()]
    turns = [each for group in zip_longest(*pairs) for each in group if each is not None]
    return [(name, text) for name, texts in turns for text in texts]
