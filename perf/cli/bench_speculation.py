"""`genai-xapp bench speculation`."""

import os
import time
from pathlib import Path

import click
import msgspec

from perf.cli import shared_options
from perf.cli.deliver_result import deliver
from perf.cli.option_values import model_option, rounds_option, stoppable, streams_option
from perf.data.read_rows import DataError
from perf.machine import describe
from perf.peers.peer_paths import ROOT
from perf.record.journal import Journal
from perf.record.result_files import result_path
from perf.record.result_schema import Mode, Result, Status
from perf.record.sample_rows import encode
from perf.round_loop import alone
from perf.speculation import speculation_figures
from perf.speculation.speculation_items import read_items
from perf.speculation.speculation_run import PLAIN, Plan, Run
from perf.targets.measured import targets_of
from xapp.config import load_settings
from xapp.domain.decoding import BY_NAME
from xapp.models.parts import model_digest
from xapp.models.store import resolve


@click.command()
@model_option
@click.option("--draft", default="", help="Name or path of a draft model.")
@click.option(
    "--items", required=True, type=click.Path(path_type=Path), help="Questions, in Spec-Bench's JSON lines."
)
@click.option("--categories", default="", help="Only these, separated by commas.")
@shared_options.limit_option("questions of each category")
@click.option("--strategies", default="ngram", show_default=True, help="Separated by commas.")
@click.option("--max-tokens", default=128, show_default=True, type=click.IntRange(8, 4096))
@click.option("--cells", default=1000, show_default=True, type=click.IntRange(16), help="Of the priced step.")
@click.option("--context-length", default=2560, show_default=True, type=click.IntRange(64))
@streams_option("Numbers of streams.")
@rounds_option
@shared_options.out_option
@shared_options.json_option
def speculation(
    *,
    model: str,
    draft: str,
    items: Path,
    categories: str,
    limit: int | None,
    strategies: str,
    max_tokens: int,
    cells: int,
    context_length: int,
    streams: list[int],
    rounds: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """What drafts gain on each kind of text, what a step with drafts costs, and where answers part.

    step_price is the time of a step of several rows of one sequence ÷ that of a step of one row. speedup is
    the decode rate with drafts ÷ that of one token a step, of the same prompts in turns; the time of the
    prompts does not count. Where a greedy answer differs from the plain answer, parting_margin is the
    difference of the two tokens' logits: a small margin is float noise, which decides between two tokens
    that are equally likely.
    """
    names = [PLAIN, *dict.fromkeys(name for name in _split(strategies) if name != PLAIN)]
    if unknown := [name for name in names if name not in BY_NAME]:
        raise click.UsageError(f"no such strategy: {', '.join(unknown)}")
    if not streams or len(names) < 2:
        raise click.UsageError("nothing to do: give --streams and --strategies")
    try:
        questions = read_items(items, _split(categories), limit)
    except DataError as error:
        raise click.ClickException(str(error)) from error
    settings = load_settings(os.environ, {"model": model})
    models_dir = Path(settings.node.models_dir)
    file = resolve(settings.node.model, models_dir)
    engine = msgspec.structs.replace(
        settings.engine,
        slots=max(streams),
        context_length=context_length,
        kv_cells=max(streams) * context_length,
        draft=str(resolve(draft, models_dir).path) if draft else "",
    )
    plan = Plan(file.path, engine, questions, names, streams, rounds, max_tokens, cells)
    told = {
        **{"model": file.name, "draft": draft, "categories": list(questions), "limit": limit},
        **{"strategies": names, "streams": streams, "rounds": rounds, "max_tokens": max_tokens},
        "cells": cells,
    }
    path = result_path(Mode.SPECULATION, settings.node.model, out)
    digest = model_digest(file.path)
    fingerprint = {"mode": Mode.SPECULATION, "digest": digest, **told}
    with (
        shared_options.resumable(path),
        stoppable(),
        alone(),
        Journal.open(path, fingerprint=fingerprint) as journal,
    ):
        machine, started = describe(ROOT), time.monotonic()
        with shared_options.progress(shared_options.console(), plan.total, "round 1") as advance:
            outcome = Run(plan, journal, advance).play()
        result = Result(
            mode=Mode.SPECULATION,
            node=os.uname().nodename,
            machine=machine,
            targets=targets_of(file.name, digest, outcome.engine_config, None),
            options=told,
            seeds={},
            started_at=machine.started_at,
            duration_s=time.monotonic() - started,
            status=Status.PARTIAL if outcome.lost else Status.COMPLETE,
            summary=speculation_figures.summary(outcome.samples),
            samples=[encode(each) for each in outcome.samples],
            missing=[outcome.lost] if outcome.lost else [],
            noise=outcome.noise,
            notes=outcome.notes,
        )
        deliver(result, path, as_json=as_json)


def _split(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]
