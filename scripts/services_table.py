"""Writes the tables of docs/services.md, from the sizes of the catalogue and the arithmetic of the plan.

python -m scripts.services_table            write them
python -m scripts.services_table --check    exit 1 when they are not those of this tree
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xapp.backend.sizing import Node
from xapp.config import EngineSettings, RetrievalSettings, SpeechSettings
from xapp.models.catalogue import Entry, catalogue
from xapp.node_plan.make_plan import planned_retrieval, planned_server, remaining
from xapp.node_plan.model_plan import facts_of_entry, planned_model
from xapp.node_plan.planned import NodePlan, PlannedService, Room, megabytes
from xapp.node_plan.speech_plan import planned_speech, planned_whisper

PAGE = Path(__file__).resolve().parent.parent / "docs" / "services.md"
_MARKS = ("<!-- tables: python -m scripts.services_table -->\n", "<!-- end of tables -->\n")
CORES = 4
OTHERS_MIB = 892
"""What the system and K3s take on a Pi: docs/pi-cluster.md gives pods 7,300 MiB of 8 GB."""
BOARDS_GB = (4, 8, 16)
EMBEDDER = "bge-small-en-v1.5-q8"
WHISPER_TINY_BYTES = 76_000_000
_UNITS = {"MB": 10**6, "GB": 10**9}


@dataclass(frozen=True, slots=True)
class Combination:
    """Models, and whether speech, vectors and collections are beside them."""

    models: tuple[str, ...]
    everything: bool = True


COMBINATIONS = (
    Combination(("smollm2-135m-q4_1",), everything=False),
    Combination(("smollm2-135m-q4_1",)),
    Combination(("qwen2.5-0.5b",)),
    Combination(("qwen2.5-1.5b",)),
    Combination(("llama-3.2-3b",), everything=False),
    Combination(("llama-3.2-3b",)),
    Combination(("qwen3-4b",)),
    Combination(("mistral-7b-v0.3",), everything=False),
    Combination(("mistral-7b-v0.3",)),
    Combination(("qwen2.5-0.5b", "mistral-7b-v0.3")),
    Combination(("llama-3.2-3b", "llama-3-8b")),
    Combination(("mistral-7b-v0.3", "llama-3-8b")),
)


def board(size_gb: int) -> Node:
    """A Pi 5 before the node starts."""
    return Node((size_gb * 1024 - OTHERS_MIB) << 20, CORES)


def size_of(entry: Entry) -> int:
    """Bytes of the file, rounded where no source has them exactly."""
    if entry.size_bytes is not None:
        return entry.size_bytes
    number, unit = entry.size_rounded.split()
    return int(float(number) * _UNITS[unit])


def plan(combination: Combination, node: Node) -> NodePlan:
    """What the services take on that node, whose free memory counts as all of its memory."""
    services = [planned_server()]
    names = combination.models
    if combination.everything:
        services += [*planned_retrieval(RetrievalSettings(folder="collections")), *speech()]
        names = (EMBEDDER, *names)
    for name in names:
        services.append(of_catalogue(name, remaining(node, services)))
    return NodePlan(tuple(services), node, node.memory_bytes)


def of_catalogue(name: str, node: Node) -> PlannedService:
    """A model with default settings."""
    entry = catalogue()[name]
    return planned_model(name, "", facts_of_entry(entry, size_of(entry)), EngineSettings(), node)


def speech() -> Iterator[PlannedService]:
    """Recognition and synthesis in English."""
    yield planned_whisper(WHISPER_TINY_BYTES, CORES)
    yield from planned_speech(SpeechSettings(synthesis="hibari"), CORES)


def service_rows() -> Iterator[str]:
    """A row for each service of a node with everything."""
    yield "| service | least | as sized on a Pi of 8 GB | threads | priority |"
    yield "| --- | --- | --- | --- | --- |"
    for each in plan(Combination(("qwen2.5-1.5b",)), board(8)).services:
        sizes = f"{megabytes(each.least_bytes)} | {megabytes(each.sized_bytes)}"
        yield f"| {each.name} ({each.kind}) | {sizes} | {each.threads} | {each.place.value} |"


def board_rows() -> Iterator[str]:
    """A row for each combination, a column for each board."""
    boards = " | ".join(f"{size} GB" for size in BOARDS_GB)
    yield f"| language models | speech, vectors, collections | {boards} |"
    yield "| --- | --- | --- | --- | --- |"
    for combination in COMBINATIONS:
        cells = " | ".join(cell(plan(combination, board(size))) for size in BOARDS_GB)
        yield f"| {', '.join(combination.models)} | {'yes' if combination.everything else 'no'} | {cells} |"


def cell(made: NodePlan) -> str:
    """The memory and the tokens of each KV cache; `tight`, or `no`."""
    if made.room is Room.NONE:
        return "no"
    tokens = " and ".join(f"{each.kv_cells:,}" for each in made.services if each.kv_cells)
    return f"{'tight' if made.room is Room.TIGHT else megabytes(made.sized_bytes)}; {tokens} tokens"


def updated(page: str) -> str:
    """The page with these tables between its marks."""
    lines = "\n".join([*service_rows(), "", *board_rows()])
    pattern = re.escape(_MARKS[0]) + ".*?" + re.escape(_MARKS[1])
    return re.sub(pattern, lambda _: f"{_MARKS[0]}{lines}\n{_MARKS[1]}", page, count=1, flags=re.DOTALL)


def main(arguments: list[str]) -> int:
    """Exit code 1 with `--check` where the page has other tables."""
    text = PAGE.read_text()
    if "--check" in arguments:
        return int(updated(text) != text)
    PAGE.write_text(updated(text))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
