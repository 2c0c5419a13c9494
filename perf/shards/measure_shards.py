"""All parts of the measurement, in every round: one process and two helpers answer in turns."""

import asyncio
import itertools
import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perf.bar_table import Sample
from perf.cli.given_models import GivenModel
from perf.network.link_shape import Shape
from perf.network.namespace import network
from perf.network.shell_commands import NetworkError
from perf.network.traffic_counters import Counter
from perf.process_under_test import HOST
from perf.record.result_schema import Target
from perf.round_loop import BarRun, NotMeasured
from perf.shards.helper_processes import helpers
from perf.stream_figures import steady_rate
from perf.targets.own_server import Own, own_target
from perf.targets.target import Answer, CompletionRequest
from xapp.config import load_settings
from xapp.models.layers import layer_bytes
from xapp.models.store import resolve

HELPERS = 2
TOKENS = 96
STREAMS = (1, 4)
TURNS = 2
PROMPT = "The sea is"
LONG_PROMPT = "The sea is wide, and the wind that blows over it never rests. " * 16
LINKS: dict[str, Shape | None] = {
    "loopback": None,
    "0.2ms": Shape(rtt_s=0.0002, rate=1e9),
    "1ms": Shape(rtt_s=0.001, rate=1e9),
}
PARTS = tuple(LINKS)


@dataclass(frozen=True, slots=True)
class Link:
    """The helpers as the settings name them, and what counts the bytes to and from them."""

    hosts: str
    traffic: Counter | None = None


def measure_shards(run: BarRun, model: GivenModel, parts: Sequence[str]) -> list[Target]:
    """Each part starts its own helpers and servers, so there is no target to name but the model."""
    run.all({part: partial(_measure, run, model, part) for part in parts})
    return [Target("genai-xapp", "grpc", HOST, model.name, model.digest, "genai-xapp")]


def _measure(run: BarRun, model: GivenModel, part: str, number: int) -> Iterator[Sample]:
    with run.tolerating(part, number), _link(LINKS[part]) as link:
        for key, value in asyncio.run(_both(model.given, link, number)):
            yield Sample(number, f"{part}.{key}", value)


@contextmanager
def _link(shape: Shape | None) -> Iterator[Link]:
    if shape is None:
        with helpers(HELPERS) as hosts:
            yield Link(hosts)
        return
    try:
        with network(shape) as made, helpers(HELPERS, made.far, made.prefix) as hosts:
            yield Link(hosts, made.traffic)
    except NetworkError as error:
        raise NotMeasured(str(error)) from error


async def _both(model: str, link: Link, number: int) -> list[tuple[str, float]]:
    """One server after the other: an idle one would measure its own speed on the cores of the other. Who is
    first changes from round to round.
    """
    sharded = {"XAPP_RPC_HOSTS": link.hosts, "XAPP_RPC_SPLIT": _split(model)}
    servers = [("one", {}), ("two", sharded)]
    found: list[tuple[str, float]] = []
    for name, settings in servers if number % 2 == 0 else reversed(servers):
        async with own_target(model, settings) as own:
            figures = {"load_s": own.load_s, **await _warm_figures(own, link)}
        found += [(f"{name}.{key}", value) for key, value in figures.items()]
    return found


async def _warm_figures(own: Own, link: Link) -> dict[str, float]:
    await _ask(own, 1, 8)
    turns = [await _figures(own, link) for _ in range(TURNS)]
    return {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}


def _split(model: str) -> str:
    """No layer here, and the same number at each helper."""
    settings = load_settings(os.environ).node
    file = resolve(model or settings.model, Path(settings.models_dir).expanduser())
    count = len(layer_bytes(file.path).layers)
    return f"0,{count // 2},{count - count // 2}"


async def _figures(own: Own, link: Link) -> dict[str, float]:
    before = link.traffic() if link.traffic else None
    answers = {count: await _ask(own, count, TOKENS) for count in STREAMS[:1]}
    figures = {}
    if before is not None and link.traffic is not None:
        passed = link.traffic() - before
        figures["bytes"] = (passed.sent + passed.received) / TOKENS
    answers |= {count: await _ask(own, count, TOKENS) for count in STREAMS[1:]}
    figures |= {
        f"decode.{count}": steady_rate([each.stream for each in found]) for count, found in answers.items()
    }
    (long,) = await _ask(own, 1, 2, LONG_PROMPT)
    assert long.num_prompt_tokens is not None
    figures["prefill"] = long.num_prompt_tokens / long.time_to_first_token_s
    return figures


async def _ask(own: Own, count: int, tokens: int, prompt: str = PROMPT) -> list[Answer]:
    """So many streams at once. Each prompt is another, so that nothing of it is computed already."""
    texts = [f"{next(_numbers)} {prompt}" for _ in range(count)]
    asked = (own.target.complete(CompletionRequest(text, tokens, ignore_eos=True)) for text in texts)
    return list(await asyncio.gather(*asked))


_numbers = itertools.count(1000)
