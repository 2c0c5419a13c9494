"""The loads of `genai-xapp bench compare` in the table of bars: ours, llama-server and the echo, in turns.

An interrupted run goes on from its journal; the whole result lies in perf/results/local/serving.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from perf import peers
from perf.bar_table import Sample
from perf.callers.prompt_texts import STREAMS
from perf.cli.given_models import GivenModel
from perf.cli.run_comparison import What, measured
from perf.compare.compare_figures import QUANTITIES, load_name
from perf.compare.compare_loads import STAGGERED, Asked
from perf.compare.compare_samples import Sample as Measured
from perf.compare.entrants import Echo, Entrant, LlamaServerPeer, Ours
from perf.record.result_files import DEFAULT_FOLDER, result_path, write_result
from perf.record.result_schema import Mode, Result

PARTS = ("solo", "burst", "staggered", "mixed", "streams")
SOLO = (200, 1500)
BURST = (4, 8)


def asked(parts: Sequence[str], streams: Sequence[int] = STREAMS) -> Asked:
    """The loads of these parts; those that are none of PARTS are somebody else's."""
    return Asked(
        streams=streams if "streams" in parts else (),
        solo=SOLO if "solo" in parts else (),
        burst=BURST if "burst" in parts else (),
        staggered=STAGGERED if "staggered" in parts else None,
        mixed="mixed" in parts,
    )


def path_of(model: GivenModel) -> Path:
    """Where the result goes, and its journal."""
    folder = DEFAULT_FOLDER / "serving"
    folder.mkdir(parents=True, exist_ok=True)
    return result_path(Mode.COMPARE, model.name, folder)


def play(model: GivenModel, batch_tokens: int, what: Asked, rounds: int, path: Path) -> Result:
    """All rounds, or what is left of them; the result is written. Raises TargetError, RecordError."""
    entrants: list[Entrant] = [Ours(model.given, batch_tokens), *_peers(), Echo()]
    result = measured(What(model, entrants, what, rounds), path)
    write_result(path, result)
    return result


def _peers() -> Iterator[Entrant]:
    if peers.built():
        yield LlamaServerPeer()


def samples(result: Result) -> list[Sample]:
    """`TARGET.LOAD.FIGURE`, for instance `llama-server.burst-4.ttft`."""
    return list(flat(msgspec.convert(each, type=Measured) for each in result.samples))


def flat(measurements: Iterator[Measured]) -> Iterator[Sample]:
    """Every figure of every sample on its own."""
    for each in measurements:
        for quantity in QUANTITIES:
            if (value := quantity.of(each)) is not None:
                yield Sample(each.round, f"{each.target}.{load_name(each)}.{quantity.name}", value)
