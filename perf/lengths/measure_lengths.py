"""Asks every question in every way, on one server a round."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from perf.bar_table import Sample
from perf.cli.given_models import GivenModel
from perf.lengths.ask_lengths import STATE, Ask, Values, state_values
from perf.own_node import hidden_state, own_node
from perf.record.result_schema import Target
from perf.round_loop import BarRun, NotMeasured
from perf.server_processes import OurServer
from perf.targets.measured import targets_of
from xapp.client import Client, ClientError

SETTINGS = {"XAPP_PIN_TASKS": "false"}


def measure_lengths(
    run: BarRun,
    model: GivenModel,
    questions: Sequence[tuple[str, str]],
    asks: Mapping[str, Ask],
    *,
    with_states: bool,
) -> list[Target]:
    """Every way in each round. Who was measured."""
    ways = {name: partial(_measure, run, model, questions, name, ask) for name, ask in asks.items()}
    if with_states:
        ways[STATE] = partial(_measure_states, run, model, questions)
    run.all(ways)
    return targets_of(model.name, model.digest, None, None)


def _measure(  # noqa: PLR0917  one for each part of a measurement
    run: BarRun,
    model: GivenModel,
    questions: Sequence[tuple[str, str]],
    name: str,
    ask: Ask,
    number: int,
) -> Iterator[Sample]:
    with run.tolerating(name, number), OurServer(model.given, SETTINGS) as server:
        server.wait_until_serving()
        try:
            said = asyncio.run(_said(server.target, questions, ask))
        except ClientError as error:
            raise NotMeasured(str(error)) from error
        for place, values in enumerate(said):
            yield from (Sample(number, f"{key}.{place}", value) for key, value in values.items())


def _measure_states(
    run: BarRun, model: GivenModel, questions: Sequence[tuple[str, str]], number: int
) -> Iterator[Sample]:
    """The hidden state of each question, a sample a number, on a node in this process."""
    with run.tolerating(STATE, number):
        for place, values in enumerate(asyncio.run(_states(model.given, questions))):
            yield from (Sample(number, f"{key}.{place}", value) for key, value in values.items())


async def _states(model: str, questions: Sequence[tuple[str, str]]) -> list[Values]:
    async with own_node(model) as node:
        return [state_values(*await hidden_state(node, text)) for _, text in questions]


async def _said(target: str, questions: Sequence[tuple[str, str]], ask: Ask) -> list[Values]:
    async with Client(target) as client:
        return [await ask(client, text) for _, text in questions]
