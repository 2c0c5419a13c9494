"""`genai-xapp bench load`: latency and throughput against concurrency or rate of arrivals."""

import asyncio
import hashlib
import platform
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from perf.cli import shared_options as shared
from perf.cli.deliver_result import deliver
from perf.cli.load_options import load_options, options_of
from perf.data.read_rows import DataError
from perf.data.traces import TraceRequest, read_trace
from perf.load import load_result, step_plans
from perf.load.load_run import Run
from perf.load.load_table import show
from perf.load.prompt_maker import PromptError
from perf.load.run_options import Options
from perf.machine import NoiseMeter, describe
from perf.peers import ROOT
from perf.record.result_files import Journal, result_path
from perf.record.result_schema import Mode, Result, Target
from perf.targets import Spec, open_target
from perf.targets.target import Target as Measured

_PROBES_GUESSED = 8


@click.command()
@shared.target_option
@shared.openai_option
@click.option("--model", default="", metavar="NAME", help="On the target, or for a server of its own.")
@load_options
@shared.seed_option
@shared.out_option
@shared.json_option
def load(  # noqa: PLR0917  one for each option
    target: str | None,
    openai: str | None,
    model: str,
    trace: Path | None,
    out: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Put a server under load: closed loop (--concurrency), open loop (--rate), or a trace.

    \b
      genai-xapp bench load --concurrency 1,4,8 --duration 20s
      genai-xapp bench load --target HOST:50051 --rate 0.5,1,2 --limit-ttft 500ms
      genai-xapp bench load --find-rate --limit-ttft 1s --limit-tpot 100ms --requests 60
      genai-xapp bench load --trace requests.jsonl --openai http://HOST:8080

    Latency counts from when a request was scheduled to arrive, not from when it could be sent; the
    schedule waits for no answer. The client's own CPU and lag are in the figures.

    \b
    Exit status: 0 measured; 1 an error, or the target was lost in the middle (what was measured is kept);
                 130 interrupted. The same command goes on from what was measured.
    """  # noqa: D301  click reads \b as a backspace
    if target and openai:
        raise click.UsageError("--target and --openai: one of them")
    requests, digest = _trace(trace)
    options = options_of(given, requests, step_plans.trace_name(trace), digest)
    spec = Spec(grpc=target or "", openai=openai or "", model=model)
    path = result_path(Mode.LOAD, model or "default", out)
    with shared.resumable(path):
        try:
            found = asyncio.run(_measure(spec, options, requests, path))
        except PromptError as error:
            raise click.ClickException(str(error)) from error
        deliver(found, path, as_json=as_json, show=show)


def _trace(path: Path | None) -> tuple[list[TraceRequest], str]:
    if path is None:
        return [], ""
    try:
        return read_trace(path), hashlib.sha256(path.read_bytes()).hexdigest()
    except DataError as error:
        raise click.ClickException(str(error)) from error


async def _measure(spec: Spec, options: Options, trace: list[TraceRequest], path: Path) -> Result:
    async with open_target(spec) as target:
        described = await target.describe()
        own = not (spec.grpc or spec.openai)
        with Journal.open(path, fingerprint=_fingerprint(described, options, own=own)) as journal:
            return await _run(target, described, options, trace, journal)


def _fingerprint(target: Target, options: Options, *, own: bool) -> dict[str, Any]:
    return {
        "mode": Mode.LOAD,
        "target": {
            "kind": target.kind,
            # A server of our own has another port each time.
            "address": "own" if own else target.address,
            "model": target.model,
            "digest": target.model_digest,
        },
        "options": msgspec.to_builtins(options),
    }


async def _run(
    target: Measured, described: Target, options: Options, trace: list[TraceRequest], journal: Journal
) -> Result:
    machine, began, noise = describe(ROOT), time.monotonic(), NoiseMeter()
    with shared.progress(shared.console(), _size(options, trace), "load") as advance:
        outcome = await Run(target, options, journal, trace=trace, advance=advance).run()
    summary = load_result.summary(outcome, options)
    return Result(
        mode=Mode.LOAD,
        node=platform.node(),
        machine=machine,
        targets=[described],
        options=msgspec.to_builtins(options),
        seeds={"load": options.seed},
        started_at=machine.started_at,
        duration_s=time.monotonic() - began,
        status=load_result.status(outcome),
        summary=summary,
        samples=load_result.samples(outcome),
        missing=load_result.missing(outcome),
        noise=[noise.read()],
        notes=load_result.notes(outcome, summary),
    )


def _size(options: Options, trace: list[TraceRequest]) -> int:
    """What the bar counts to; a search's number of probes is a guess."""
    size = sum(plan.size for plan in step_plans.steps(options, trace))
    if options.find_rate:
        start = options.rates[0] if options.rates else 1.0
        size += _PROBES_GUESSED * step_plans.probe_step(options, start).size
    return size
