"""What the unified KV cache costs with long contexts: beside a cache for each sequence, without a server."""

import statistics
from collections.abc import Iterator
from pathlib import Path

import msgspec

from perf.bar_table import Sample
from perf.json_child import Child
from perf.serving.long_context_loop import LongSteps, LongWork
from xapp.backend.node import this_node
from xapp.config import EngineSettings

LENGTHS = (1000, 1500, 2000)
"""Cells of each of the 8 sequences."""
CHUNKS = (64, 192)
"""Prompt tokens of a step beside them."""


def measure(settings: EngineSettings, path: Path, number: int) -> Iterator[Sample]:
    """One round: a new process measures every length. Raises ChildError."""
    threads = str(settings.threads or this_node().cores)
    arguments = ("--model", str(path), "--threads", threads, "--most-cells", str(max(LENGTHS)))
    with Child("perf.serving.long_context_loop", *arguments) as loop:
        for length in LENGTHS:
            answer = loop.ask(LongWork(length, chunks=CHUNKS))
            yield from _samples(number, length, msgspec.json.decode(answer, type=LongSteps))


def _samples(number: int, length: int, found: LongSteps) -> Iterator[Sample]:
    for layout, seconds in found.decode_s.items():
        yield Sample(number, f"{layout}.long-decode.{length}", statistics.median(seconds))
    for count, by_layout in found.prompt_s.items():
        for layout, seconds in by_layout.items():
            yield Sample(number, f"{layout}.long-prompt-{count}.{length}", statistics.median(seconds))
