"""`genai-xapp bench paper`: dialogues turn by turn on one model after the other."""

import asyncio
import hashlib
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from perf.cli import shared_options
from perf.cli.deliver_result import deliver
from perf.cli.given_models import local_models, models_option
from perf.data import hub
from perf.data.dialogues import SHIPPED, Dialogue, read_dialogues
from perf.data.read_rows import DataError
from perf.machine import NoiseMeter, describe
from perf.paper.paper_figures import figures
from perf.paper.paper_node import targets
from perf.paper.paper_run import Contestant, Experiment
from perf.paper.paper_samples import MIN_DECODE_TOKENS, MIN_PREFILL_TOKENS, Sample, Started
from perf.peers import ROOT
from perf.record.result_files import Journal, result_path
from perf.record.result_schema import Mode, Result, Status

SAMPLE = Path("sample")
"""What --data says for the dialogues that ship with the harness."""
NOTES = [
    "Assistant turns are the model's own answers, not the data's; greedy; one request at a time.",
    "Prompt tokens taken from the cache count in no prefill figure.",
    f"decode_cv and prefill_cv: coefficient of variation over turns with at least {MIN_DECODE_TOKENS} "
    f"tokens generated, {MIN_PREFILL_TOKENS} computed.",
]


@click.command()
@models_option
@click.option(
    "--data",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Dialogues, one JSON object a line; `sample`: 8 that ship with the harness, of 5 turns each. "
    "Default: oasst1 (Apache-2.0) from the hub.",
)
@shared_options.limit_option("dialogues")
@click.option("--max-tokens", type=click.IntRange(min=1), default=500, show_default=True, help="Most a turn.")
@click.option(
    "--turn-timeout",
    type=click.FloatRange(min=1),
    default=3600.0,
    show_default=True,
    help="Longest a turn may take, seconds.",
)
@shared_options.out_option
@shared_options.json_option
def paper(  # noqa: PLR0917  one for each option
    models: tuple[str, ...],
    data: Path | None,
    limit: int | None,
    max_tokens: int,
    turn_timeout: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Play dialogues turn by turn with growing context: speed, memory and energy of each model.

    Every model gets a server of its own on the loopback interface. The user's turns come from the
    data, the answers are the model's own: greedy, at most --max-tokens a turn. A model without a chat
    template continues the conversation as plain text.

    Exit code 0: every model was measured. 1: at least one was not, or not in whole; `missing` says why.
    """
    given = local_models(models)
    contestants = [Contestant(each.given, each.name) for each in given]
    file, dialogues = _dialogues(data, limit)
    path = result_path(Mode.PAPER, "-".join(each.name for each in contestants), out)
    settings = {"max_tokens": max_tokens, "turn_timeout_s": turn_timeout, "limit": limit}
    fingerprint = {
        "mode": Mode.PAPER,
        "models": {each.name: each.digest for each in given},
        "data": {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
        "options": settings,
    }
    with shared_options.resumable(path), Journal.open(path, fingerprint=fingerprint) as journal:
        experiment = Experiment(dialogues, max_tokens, turn_timeout, journal)
        result = _run(experiment, contestants, {**settings, "data": fingerprint["data"]})
        if not result.targets:
            raise click.ClickException("; ".join(result.missing))
        deliver(result, path, as_json=as_json)


def _shipped(data: Path | None) -> Path | None:
    return SHIPPED if data == SAMPLE and not data.exists() else None


def _dialogues(data: Path | None, limit: int | None) -> tuple[Path, list[Dialogue]]:
    try:
        file = _shipped(data) or data or hub.fetch("oasst1")
        return file, read_dialogues(file, limit)
    except DataError as error:
        hint = "" if data else ", or --data sample"
        raise click.ClickException(f"{error}{hint}") from error


def _run(experiment: Experiment, contestants: Sequence[Contestant], settings: dict[str, Any]) -> Result:
    machine, began, noise = describe(ROOT), time.monotonic(), NoiseMeter()
    resumed = len(experiment.samples)
    total, left = experiment.num_turns(contestants), experiment.num_left(contestants)
    with shared_options.progress(shared_options.console(), total, "turns", done=total - left) as advance:
        asyncio.run(experiment.run(contestants, advance))
    samples = experiment.samples
    return Result(
        mode=Mode.PAPER,
        node=platform.node(),
        machine=machine,
        targets=targets([sample for sample in samples if isinstance(sample, Started)]),
        options=settings,
        seeds={},
        started_at=machine.started_at,
        duration_s=time.monotonic() - began,
        status=Status.PARTIAL if experiment.missing else Status.COMPLETE,
        summary=[figure for each in contestants for figure in figures(each.name, samples)],
        samples=experiment.journal.samples,
        missing=experiment.missing,
        noise=[noise.read()],
        notes=[*NOTES, *_raw(samples), *_resumed(resumed)],
    )


def _raw(samples: Sequence[Sample]) -> list[str]:
    names = dict.fromkeys(each.model for each in samples if isinstance(each, Started) and each.raw)
    return [f"{name} has no chat template: it continues the conversation as plain text." for name in names]


def _resumed(count: int) -> list[str]:
    return [f"resumed: {count} samples are of an earlier run"] if count else []
