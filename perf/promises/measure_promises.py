"""The benchmark of promises: each row of the table a ratio or a bound, measured in interleaved rounds.

Each row starts its servers anew in each round: ours with its defaults, llama-server where `make peers` has
built it, and what the row compares them with.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from perf.bar_table import Sample
from perf.cli.given_models import GivenModel
from perf.engine_config import EngineConfig
from perf.promises import (
    critical_ttft,
    estimate_error,
    overload_goodput,
    pinned_task_ttft,
    refusal_time,
    score_against_json,
    typed_answer_cost,
)
from perf.promises.promise_lineup import Lineup
from perf.record.result_schema import Target
from perf.round_loop import BarRun
from perf.targets.measured import targets_of
from xapp.config import load_settings
from xapp.models.store import resolve

PARTS = {
    "overload": overload_goodput.measure,
    "critical": critical_ttft.measure,
    "refusal": refusal_time.measure,
    "estimate": estimate_error.measure,
    "pinned": pinned_task_ttft.measure,
    "score": score_against_json.measure,
    "typed": typed_answer_cost.measure,
}

Part = Callable[[Lineup, BarRun, int], Iterator[Sample]]


class Promises:
    """Measures parts. `engine_config` and `flags` say how the contenders were started."""

    def __init__(self, run: BarRun, model: str, path: Path) -> None:
        self._run = run
        self._model = model
        self._path = path
        self.engine_config: EngineConfig | None = None
        self.flags: list[str] | None = None

    def measure(self, part: str, number: int) -> Iterator[Sample]:
        """One round of one part."""
        with self._run.tolerating(part, number), Lineup(self._model, self._path) as lineup:
            try:
                yield from PARTS[part](lineup, self._run, number)
            finally:
                self.engine_config = lineup.engine_config or self.engine_config
                self.flags = lineup.flags or self.flags


def measure_promises(run: BarRun, model: GivenModel, parts: Sequence[str]) -> list[Target]:
    """Every part in each round. Who was measured."""
    settings = load_settings(os.environ, {"model": model.given})
    file = resolve(settings.node.model, Path(settings.node.models_dir))
    promises = Promises(run, settings.node.model, file.path)
    run.all({part: partial(promises.measure, part) for part in parts})
    return targets_of(model.name, model.digest, promises.engine_config, promises.flags)
