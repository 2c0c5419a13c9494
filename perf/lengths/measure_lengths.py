"""Asks every question in every way, on one server a round."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from perf.bar_table import Sample
from perf.cli.given_models import GivenModel
from perf.lengths.ask_lengths import Ask, Values
from perf.record.result_schema import Target
from perf.round_loop import BarRun, NotMeasured
from perf.server_processes import OurServer
from perf.targets.measured import targets_of
from xapp.client import Client, ClientError

SETTINGS = {"XAPP_PIN_TASKS": "false"}


def measure_lengths(
    run: BarRun, model: GivenModel, questions: Sequence[tuple[str, str]], asks: Mapping[str, Ask]
) -> list[Target]:
    """Every way in each round. Who was measured."""
    run.all({name: partial(_measure, run, model, questions, name, ask) for name, ask in asks.items()})
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


async def _said(target: str, questions: Sequence[tuple[str, str]], ask: Ask) -> list[Values]:
    async with Client(target) as client:
        return [await ask(client, text) for _, text in questions]
