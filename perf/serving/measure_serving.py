"""The benchmark of serving: every figure a ratio or a bound, measured in one run, in interleaved rounds.

The contenders are `baseline` (bare llama_decode), `worker` (no server around it), `grpc` (our server and
its client) and `llama` (llama-server and its client, when `make peers` has built it). One works at a time;
all are started anew for each round. The loads are those of `genai-xapp bench compare`.
"""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from perf import peers
from perf.bar_table import Sample
from perf.cli.given_models import GivenModel
from perf.compare.compare_loads import Asked
from perf.engine_config import EngineConfig
from perf.record.result_schema import Figure, Target
from perf.round_loop import BarRun, Measure
from perf.serving import (
    compared_loads,
    long_contexts,
    measure_contenders,
    prefill_cancel,
    server_footprint,
    serving_bars,
)
from perf.serving.serving_lineup import Lineup
from perf.targets.measured import targets_of
from xapp.config import Settings, load_settings
from xapp.models.store import resolve

_OTHERS = {"prefix": measure_contenders.prefix, "cancel": measure_contenders.cancel}
SIDE_BY_SIDE = ("decode", *_OTHERS)
PARTS = (*compared_loads.PARTS, *SIDE_BY_SIDE, "abort", "footprint", "long")


class SideBySide:
    """One round: all contenders are started anew, warmed up, measured, ended."""

    def __init__(self, model: str, path: Path, parts: Sequence[str], streams: Sequence[int]) -> None:
        self._model = model
        self._path = path
        self._parts = parts
        self._streams = streams
        self.engine_config: EngineConfig | None = None
        self.flags: list[str] | None = None

    def __call__(self, number: int) -> list[Sample]:
        """The samples of round `number`; `engine_config` and `flags` say how the contenders were started."""
        with Lineup(self._model, self._path, number) as lineup:
            self.engine_config = lineup.engine_config
            self.flags = lineup.llama.flags if lineup.llama else None
            measure_contenders.warm_up(lineup)
            return [sample for each in self._measures(lineup) for sample in each(number)]

    def _measures(self, lineup: Lineup) -> Iterator[Measure]:
        if "decode" in self._parts:
            yield from (measure_contenders.decode(lineup, count) for count in self._streams)
        for name, make in _OTHERS.items():
            if name in self._parts:
                yield make(lineup)


def measure_serving(
    run: BarRun, model: GivenModel, parts: Sequence[str], streams: Sequence[int]
) -> list[Target]:
    """The loads; then start and memory, alone; then everything else, side by side. Who was measured."""
    settings = load_settings(os.environ, {"model": model.given})
    path = resolve(settings.node.model, Path(settings.node.models_dir)).path
    asked = compared_loads.asked(parts, streams)
    targets: list[Target] = []
    if not peers.built():
        run.notes.append("llama-server is not built (`make peers`): the rows beside it are not measured")
    if asked.loads():
        run.once("the loads", lambda _: _play(run, model, settings, asked, targets))
    if "footprint" in parts:
        run.repeat(
            "start and memory", lambda number: server_footprint.measure(settings.node.model, path, number)
        )
    if "abort" in parts:
        run.repeat("a cancelled prefill", partial(_abort, run, settings, path))
    if "long" in parts:
        run.repeat("long contexts", partial(_long, run, settings, path))
    side_by_side = SideBySide(settings.node.model, path, parts, streams)
    if set(parts) & set(SIDE_BY_SIDE):
        run.repeat("side by side", side_by_side)
    return targets or targets_of(model.name, model.digest, side_by_side.engine_config, side_by_side.flags)


def figures(
    samples: Sequence[Sample], model: GivenModel, parts: Sequence[str], streams: Sequence[int]
) -> list[Figure]:
    """The rows of the table."""
    return serving_bars.rows(samples, streams, parts, is_default=model.name == Settings().node.model)


def _play(
    run: BarRun, model: GivenModel, settings: Settings, asked: Asked, targets: list[Target]
) -> Iterator[Sample]:
    with run.tolerating("the loads", 0):
        result = compared_loads.play(
            model, settings.engine.batch_tokens, asked, run.num_rounds, compared_loads.path_of(model)
        )
        # The addresses of a run's own servers say nothing afterwards.
        targets += [msgspec.structs.replace(each, address="loopback") for each in result.targets]
        run.noise.extend(result.noise)
        run.missing += result.missing
        yield from compared_loads.samples(result)


def _abort(run: BarRun, settings: Settings, path: Path, number: int) -> Iterator[Sample]:
    with run.tolerating("a cancelled prefill", number):
        yield from prefill_cancel.measure(settings.engine, path, number)


def _long(run: BarRun, settings: Settings, path: Path, number: int) -> Iterator[Sample]:
    with run.tolerating("long contexts", number):
        yield from long_contexts.measure(settings.engine, path, number)
