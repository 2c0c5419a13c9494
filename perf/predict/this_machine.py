"""The machine that runs this: a board whose speeds are measured with the models that are on it."""

from collections.abc import Sequence
from importlib import resources

from perf.predict.catalogue_shapes import kernels_of
from perf.predict.shape import Shape
from perf.predict.speeds import Speeds, rate_of
from perf.predict.tables import Board
from xapp.backend.node import memory_total_bytes, this_node
from xapp.backend.optimize import jobs
from xapp.backend.optimize.process import ask
from xapp.models.store import ModelFile

HERE = "here"


def board_here() -> Board:
    """With all threads: nothing is known of fewer."""
    cores = this_node().cores
    only_all = [0.0] * (cores - 1) + [1.0]
    memory_gb = memory_total_bytes() / 1e9
    return Board(HERE, "this machine", cores, memory_gb, only_all, only_all, "measured now")


def measure_here(models: Sequence[tuple[ModelFile, Shape]], threads: int) -> Speeds:
    """Seconds for each model, which runs in a process of its own. Raises ModelError."""
    reads: list[float] = []
    compute: dict[str, list[float]] = {}
    for model, shape in models:
        speeds = ask(jobs.Speed(str(model.path), threads, (1,), _text()), jobs.Speeds)
        reads.append(speeds.decode[1] * shape.read_bytes)
        compute.setdefault(kernels_of(model.path.name), []).append(speeds.prefill * shape.prefill_params)
    return Speeds(rate_of(reads), {kernels: rate_of(found) for kernels, found in compute.items()})


def _text() -> str:
    return resources.files("xapp.backend.optimize").joinpath("text.txt").read_text("utf-8")
