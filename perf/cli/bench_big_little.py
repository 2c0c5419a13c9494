"""`genai-xapp bench big-little`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from perf.bar_table import Sample
from perf.big_little import pair_picture, rows
from perf.big_little.measure_pair import Asked, Pair, measure, serving
from perf.big_little.questions import read_items
from perf.big_little.sessions import measure_sessions
from perf.big_little.ways import BIG_LITTLE, ways
from perf.cli import shared_options
from perf.cli.bar_modes import BarMode, run_model
from perf.cli.deliver_result import EXIT_PARTIAL
from perf.cli.given_models import GivenModel, local_models
from perf.cli.option_values import rounds_option
from perf.record.result_schema import Mode, Target
from perf.round_loop import BarRun

SESSIONS = (1, 8)


def _numbers(_context: click.Context, _option: click.Parameter, value: str) -> list[float]:
    try:
        return [float(each) for each in value.split(",") if each]
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 0,20") from error


@click.command()
@click.option("--little", required=True, metavar="NAME|PATH", help="The little node's model.")
@click.option("--big", required=True, metavar="NAME|PATH", help="The big node's model, same vocabulary.")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines with kind, source, question, choices, answer.",
)
@click.option("--items", default=20, show_default=True, type=click.IntRange(min=1), help="Questions.")
@click.option("--max-tokens", default=40, show_default=True, type=click.IntRange(min=1))
@click.option("--rtt", default="0,20,50", show_default=True, callback=_numbers, help="Round trips, ms.")
@click.option("--fallback", default="0.3,0.6,0.9", show_default=True, callback=_numbers, help="Thresholds.")
@click.option("--rollback", default="2,5", show_default=True, callback=_numbers, help="Thresholds, nats.")
@click.option("--pipeline/--no-pipeline", default=True, show_default=True, help="Draft while verifying.")
@rounds_option
@shared_options.out_option
@shared_options.json_option
def big_little(
    *,
    little: str,
    big: str,
    data: Path,
    items: int,
    max_tokens: int,
    rtt: list[float],
    fallback: list[float],
    rollback: list[float],
    pipeline: bool,
    rounds: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """A little model with a big model behind a line, against both alone; thresholds and round trips in turns.

    The thresholds are swept at the first round trip. The others have the first pair of thresholds only.
    Beside the result comes a picture: right answers against the big model's passes, and against speed.
    """
    asked, chosen = read_items(data, items), ways(fallback, rollback)
    (model,), (other,) = local_models([little]), local_models([big])
    few = [way for way in chosen if not way.name.startswith(BIG_LITTLE)] + ways(fallback[:1], rollback[:1])[
        -1:
    ]

    def run(run: BarRun, _: GivenModel) -> list[Target]:
        with serving(little, big, pipeline=pipeline) as pair:
            parts = {
                f"{each:g} ms": partial(
                    _round, run, pair, Asked(chosen if each == rtt[0] else few, asked, max_tokens), each
                )
                for each in rtt
            }
            run.all({**parts, "sessions": partial(measure_sessions, pair.big.target, SESSIONS)})
        return [Target("little", "grpc", "", f"{model.name} + {other.name}", model.digest)]

    mode = BarMode(Mode.BIG_LITTLE, run, lambda samples, _: rows.rows(samples), pair_picture.draw)
    told = {
        "little": little,
        "big": big,
        "items": items,
        "max_tokens": max_tokens,
        "rtt": rtt,
        "fallback": fallback,
        "rollback": rollback,
        "pipeline": pipeline,
        "rounds": rounds,
    }
    if run_model(mode, model, told, out, as_json=as_json):
        click.get_current_context().exit(EXIT_PARTIAL)


def _round(run: BarRun, pair: Pair, asked: Asked, rtt_ms: float, number: int) -> Iterator[Sample]:
    with run.tolerating(f"{rtt_ms:g} ms", number):
        yield from measure(pair, asked, rtt_ms, number)
