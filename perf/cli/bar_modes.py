"""What the modes with bars share: their options, and a run of each model from its options to its result."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from perf import bar_table
from perf.bar_table import Sample
from perf.cli import shared_options
from perf.cli.deliver_result import EXIT_PARTIAL, delivered
from perf.cli.given_models import GivenModel, here, models_option
from perf.cli.option_values import rounds_option, stoppable
from perf.machine import describe
from perf.peers.peer_paths import ROOT
from perf.record.journal import Journal
from perf.record.result_files import result_path, write_text
from perf.record.result_schema import Figure, Mode, Result, Status, Target
from perf.record.sample_rows import encode
from perf.report.document import Picture
from perf.round_loop import BarRun, alone

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class BarMode:
    """`measure` does the work and tells who was measured; `figures` makes rows of the samples.

    `draw` makes the picture beside the result, where the mode has one.
    """

    mode: Mode
    measure: Callable[[BarRun, GivenModel], list[Target]]
    figures: Callable[[Sequence[Sample], GivenModel], list[Figure]]
    draw: Callable[[Sequence[Sample]], Picture] | None = None


def bar_options(parts: Sequence[str]) -> Callable[[_F], _F]:
    """`rounds`, `only`, `models`, `out` and `as_json`."""

    def wrap(command: _F) -> _F:
        only = click.option(
            "--only", default="", callback=chosen(parts), help=f"Some of: {', '.join(parts)}."
        )
        for option in (
            shared_options.json_option,
            shared_options.out_option,
            models_option,
            only,
            rounds_option,
        ):
            command = option(command)
        return command

    return wrap


def chosen(parts: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """The callback of an option that names some of `parts`, separated by commas; none is all."""

    def parse(_context: click.Context, _option: click.Parameter, value: str) -> list[str]:
        found = value.split(",") if value else list(parts)
        if unknown := set(found) - set(parts):
            raise click.BadParameter(f"{', '.join(sorted(unknown))}: not one of {', '.join(parts)}")
        return found

    return parse


def run_models(
    mode: BarMode, models: tuple[str, ...], told: Mapping[str, Any], out: Path | None, *, as_json: bool
) -> None:
    """Model after model, each with a result file and its table as Markdown. Exit status 1 for a partial run.

    `told` are the mode's options. An interrupted run goes on from its journal.
    """
    found = here(models)
    if len(found) > 1 and out is not None and not out.is_dir():
        raise click.UsageError("--out: with several models a folder that is there")
    lacks = [run_model(mode, model, told, out, as_json=as_json) for model in found]
    if any(lacks):
        click.get_current_context().exit(EXIT_PARTIAL)


def run_model(
    mode: BarMode, model: GivenModel, told: Mapping[str, Any], out: Path | None, *, as_json: bool
) -> bool:
    """One model, or what stands for it. Whether something is missing."""
    path = result_path(mode.mode, model.name, out)
    fingerprint = {"mode": mode.mode, "digest": model.digest, **told}
    with (
        shared_options.resumable(path),
        stoppable(),
        alone(),
        Journal.open(path, fingerprint=fingerprint) as journal,
    ):
        run = BarRun(told["rounds"], journal, lambda what: click.echo(what, err=True))
        result = _measured(mode, model, told, run)
        partial = delivered(result, path, as_json=as_json, show=bar_table.show)
        write_text(path.with_suffix(".md"), bar_table.markdown(result))
        if mode.draw is not None:
            write_text(path.with_suffix(".svg"), mode.draw(run.samples).svg.decode())
    return partial


def _measured(mode: BarMode, model: GivenModel, told: Mapping[str, Any], run: BarRun) -> Result:
    machine, started = describe(ROOT), time.monotonic()
    targets = mode.measure(run, model)
    return Result(
        mode=mode.mode,
        node=os.uname().nodename,
        machine=machine,
        targets=targets,
        options={"model": model.name, **told},
        seeds={},
        started_at=machine.started_at,
        duration_s=time.monotonic() - started,
        status=Status.PARTIAL if run.missing else Status.COMPLETE,
        summary=mode.figures(run.samples, model),
        samples=[encode(each) for each in run.samples],
        missing=run.missing,
        noise=run.noise,
        notes=run.notes,
    )
