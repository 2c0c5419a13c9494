"""`genai-xapp bench engine`."""

import os
import time
from pathlib import Path

import click

from perf.cli import shared_options
from perf.cli.deliver_result import deliver
from perf.cli.option_values import model_option, rounds_option, stoppable, streams_option
from perf.engine import engine_figures
from perf.engine.engine_run import Outcome, Plan, Run
from perf.machine import describe
from perf.peers.peer_paths import ROOT
from perf.record.journal import Journal
from perf.record.result_files import result_path
from perf.record.result_schema import Mode, Result, Status
from perf.record.sample_rows import encode
from perf.round_loop import alone
from perf.targets.measured import targets_of
from xapp.config import load_settings
from xapp.models.parts import model_digest
from xapp.models.store import resolve


@click.command()
@model_option
@streams_option("Numbers of streams.")
@rounds_option
@shared_options.seed_option
@shared_options.out_option
@shared_options.json_option
def engine(
    *, model: str, streams: list[int], rounds: int, seed: int, out: Path | None, as_json: bool
) -> None:
    """What the layers around llama_decode cost, and how near decoding is to the memory's speed.

    overhead_ratio is the decode rate of our engine's process (worker) and at our server's client
    (client) ÷ that of a bare loop over llama_decode (bare): 1 costs nothing. bandwidth_share is the
    bytes that a step reads × steps a second ÷ the read bandwidth that the cores get from memory, which
    is measured in each round by reading a buffer of several times the last-level cache on as many
    threads as decoding uses. A step reads the weights once (an embedding table that is not the output
    matrix too: a row a stream) and the cells of the KV cache that its streams have filled.
    """
    if not streams:
        raise click.UsageError("nothing to do: give --streams")
    settings = load_settings(os.environ, {"model": model})
    file = resolve(settings.node.model, Path(settings.node.models_dir))
    plan = Plan(settings, file.path, streams, rounds, seed)
    told = {"model": file.name, "streams": streams, "rounds": rounds}
    path = result_path(Mode.ENGINE, settings.node.model, out)
    digest = model_digest(file.path)
    fingerprint = {"mode": Mode.ENGINE, "digest": digest, "seed": seed, **told}
    with (
        shared_options.resumable(path),
        stoppable(),
        alone(),
        Journal.open(path, fingerprint=fingerprint) as journal,
    ):
        machine, started = describe(ROOT), time.monotonic()
        with shared_options.progress(shared_options.console(), plan.total, "round 1") as advance:
            outcome = Run(plan, journal, advance).play()
        missing = _missing(plan, outcome)
        result = Result(
            mode=Mode.ENGINE,
            node=os.uname().nodename,
            machine=machine,
            targets=targets_of(file.name, digest, outcome.engine_config, None),
            options=told,
            seeds={"prompts": seed},
            started_at=machine.started_at,
            duration_s=time.monotonic() - started,
            status=Status.PARTIAL if missing else Status.COMPLETE,
            summary=engine_figures.summary(outcome.samples),
            samples=[encode(each) for each in outcome.samples],
            missing=missing,
            noise=outcome.noise,
            notes=outcome.notes,
        )
        deliver(result, path, as_json=as_json)


def _missing(plan: Plan, outcome: Outcome) -> list[str]:
    lacking = plan.total - len(outcome.steps())
    if not lacking:
        return []
    return [f"{lacking} of {plan.total} samples ({outcome.lost or 'streams that did not overlap'})"]
