"""One comparison of one model: from what is asked to the result, resumed where it stopped."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from perf.cli import shared_options
from perf.cli.given_models import GivenModel
from perf.compare.compare_loads import STEADY_PROMPT_TOKENS, STEADY_TOKENS, Asked
from perf.compare.compare_result import About, result_of
from perf.compare.compare_run import Outcome, Plan, Run
from perf.compare.entrants import Entrant, NetworkSetup
from perf.machine import describe
from perf.peers.peer_paths import ROOT
from perf.record.journal import Journal
from perf.record.result_schema import Mode, Result
from xapp.config import load_settings
from xapp.models.store import resolve


@dataclass(frozen=True, slots=True)
class What:
    """One run of one model; `network` and `notes` say how the network was shaped, if it was."""

    model: GivenModel
    entrants: Sequence[Entrant]
    asked: Asked
    rounds: int
    seed: int = 0
    network_setup: NetworkSetup = NetworkSetup()
    network: str = ""
    notes: Sequence[str] = ()


def measured(what: What, path: Path) -> Result:
    """Plays it, or what is left of it in the journal of `path`. Raises TargetError, RecordError."""
    settings = load_settings(os.environ, {"model": what.model.given})
    file = resolve(settings.node.model, Path(settings.node.models_dir))
    plan = Plan(what.entrants, what.asked.loads(), what.rounds, what.seed, file.path, what.network_setup)
    told = _told(what)
    fingerprint = {"mode": Mode.COMPARE, "digest": what.model.digest, "seed": what.seed, **told}
    machine, started = describe(ROOT), time.monotonic()
    with Journal.open(path, fingerprint=fingerprint) as journal:
        outcome = _played(plan, journal)
    about = About(machine, told, time.monotonic() - started, list(what.notes))
    return result_of(plan, outcome, about)


def _told(what: What) -> dict[str, Any]:
    return {
        "model": what.model.name,
        "targets": [each.name for each in what.entrants],
        **msgspec.to_builtins(what.asked),
        "steady_cells": [STEADY_PROMPT_TOKENS, STEADY_PROMPT_TOKENS + STEADY_TOKENS],
        "rounds": what.rounds,
        "network": what.network or "not shaped",
    }


def _played(plan: Plan, journal: Journal) -> Outcome:
    done = len(journal.samples)
    with shared_options.progress(shared_options.console(), plan.total, "samples", done=done) as advance:
        return Run(plan, journal, advance).play()
