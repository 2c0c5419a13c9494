"""The parts of the measurement, in every round: speed against a bare loop, and gaps of running answers."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import psutil

from perf.bar_table import Sample
from perf.cli.given_models import GivenModel
from perf.embedding.bare_embed_loop import Computed, Work
from perf.embedding.sentences import sentences
from perf.embedding.vector_caller import Command, Embed, Result, Stream
from perf.json_child import Child
from perf.promises.promise_lineup import engine_config_of
from perf.record.result_schema import Target
from perf.round_loop import BarRun, NotMeasured
from perf.server_processes import OurServer
from perf.targets.measured import targets_of
from xapp.client import SyncClient

PARTS = ("speed", "gaps")
BATCH, TOKENS, REPEATS = 64, 32, 4
"""Texts of a call, their tokens, and calls."""
AT_ONCE = (BATCH, BATCH // 4, 6)
"""Texts that the bare loop computes in one llama_decode. The fastest counts: llama.cpp's attention compares
all tokens of a batch, so that a large batch is no advantage on a CPU."""
PASSAGES, PASSAGE_TOKENS = 1000, 32
STREAMS, PROMPT = 3, "Write a long story about a radio station on a hill, its keeper, and a storm."
SETTLE_S = 3.0
"""From the start of the streams to the first passage."""
ALONE_S = 10.0
CALM_WITHIN_S, CALM_CPU_S = 40.0, 0.1
"""A node that took no more CPU time in a second is idle."""
MOST_S = 45.0
"""The streams end after so long, whether or not all passages are embedded."""


class Measurement:
    """One model that generates, one that embeds."""

    def __init__(self, run: BarRun, model: GivenModel, embedder: Path) -> None:
        self._run = run
        self._model = model
        self._embedder = embedder
        self.targets: list[Target] = targets_of(model.name, model.digest, None, None)

    def measure(self, part: str, number: int) -> Iterator[Sample]:
        """One round of one part."""
        with self._run.tolerating(part, number), ExitStack() as stack:
            settings = {"XAPP_MODELS": str(self._embedder), "XAPP_DEADLINE_ADMISSION": "false"}
            server = stack.enter_context(OurServer(self._model.given, settings))
            server.wait_until_serving()
            name, threads = _wait_for(server.target, self._embedder)
            _wait_for_calm(server.pid)
            self.targets = targets_of(
                self._model.name, self._model.digest, engine_config_of(server.target), None
            )
            measure = self._speed if part == "speed" else self._gaps
            yield from measure(stack, server.target, name, threads, number)

    def _speed(self, stack: ExitStack, target: str, name: str, threads: int, number: int) -> Iterator[Sample]:
        caller = stack.enter_context(Child("perf.embedding.vector_caller", target))
        calls = [sentences(BATCH, TOKENS, number * 100 + each) for each in range(REPEATS)]
        _ask(caller, Embed(name, calls[:1]))
        bare = stack.enter_context(Child("perf.embedding.bare_embed_loop", "--model", str(self._embedder)))
        speeds = [_bare(bare, at_once, threads) for at_once in AT_ONCE]
        for at_once, speed in zip(AT_ONCE, speeds, strict=True):
            yield Sample(number, f"bare.{at_once}", speed)
        yield Sample(number, "bare.best", max(speeds))
        for in_flight in (1, 2):
            result = _ask(caller, Embed(name, calls, at_once=in_flight))
            if result.num_tokens != result.num_texts * TOKENS:
                raise NotMeasured(
                    f"{result.num_tokens} tokens in {result.num_texts} texts, not {TOKENS} each"
                )
            yield Sample(number, f"grpc.{in_flight}", result.num_texts / (result.ended - result.began))

    def _gaps(self, stack: ExitStack, target: str, name: str, _threads: int, number: int) -> Iterator[Sample]:
        streams, passages = (
            stack.enter_context(Child("perf.embedding.vector_caller", target)) for _ in range(2)
        )
        alone = _ask(streams, Stream(PROMPT, STREAMS, ALONE_S))
        yield Sample(number, "gap.alone_ms", 1000 * max(gap for gap, _ in alone.gaps))
        with ThreadPoolExecutor(2) as pool:
            beside = pool.submit(_ask, streams, Stream(PROMPT, STREAMS, MOST_S))
            time.sleep(SETTLE_S)
            began, others_s = time.monotonic(), _others_s()
            texts = sentences(PASSAGES, PASSAGE_TOKENS, number)
            embedding = pool.submit(_ask, passages, Embed(name, [texts], batch=True))
            found = beside.result().gaps
            others = (_others_s() - others_s) / (time.monotonic() - began)
            done = embedding.result()  # the rest of the passages has the node for itself
        gaps = [gap for gap, at in found if began <= at <= done.ended + gap]
        if not gaps:
            raise NotMeasured("no stream ran while the passages were embedded")
        yield Sample(number, "gap.beside_ms", 1000 * max(gaps))
        yield Sample(number, "gap.beside_mean_ms", 1000 * sum(gaps) / len(gaps))
        yield Sample(number, "passages_s", done.ended - done.began)
        yield Sample(number, "others.cores", others)


def measure_embedding(run: BarRun, model: GivenModel, embedder: Path, parts: Sequence[str]) -> list[Target]:
    """Every part in each round. Who was measured."""
    measurement = Measurement(run, model, embedder)
    run.all({part: partial(measurement.measure, part) for part in parts})
    return measurement.targets


def _wait_for(target: str, embedder: Path) -> tuple[str, int]:
    """The embedding model's name and threads, once it serves."""
    with SyncClient(target) as client:
        *_, last = client.load_model(embedder.stem, deadline_s=120)
        return last.model.name, last.model.num_threads


def _wait_for_calm(pid: int) -> None:
    """Until the node is idle: after its start it measures the speed of the language model for a while."""
    until = time.monotonic() + CALM_WITHIN_S
    while time.monotonic() < until:
        before = _cpu_s(pid)
        time.sleep(1.0)
        if _cpu_s(pid) - before < CALM_CPU_S:
            return


def _others_s() -> float:
    """CPU time that programs besides this measurement have taken on the machine: they widen gaps, too."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system) - _cpu_s(os.getpid())


def _cpu_s(pid: int) -> float:
    server = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (server, *server.children(recursive=True)))


def _ask(caller: Child, command: Command) -> Result:
    return msgspec.json.decode(caller.ask(command), type=Result)


def _bare(bare: Child, at_once: int, threads: int) -> float:
    whole = BATCH - BATCH % at_once
    work = Work(whole, TOKENS, at_once, threads, REPEATS)
    return msgspec.json.decode(bare.ask(work), type=Computed).texts_per_second
