"""All parts of the measurement, in every round, on one server a round."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial

from perf.bar_table import Sample
from perf.cli.given_models import GivenModel
from perf.record.result_schema import Target
from perf.round_loop import BarRun, NotMeasured
from perf.server_processes import OurServer
from perf.speech.parts import PARTS, SETTINGS, until_speaking
from perf.targets.measured import targets_of
from xapp.client import ClientError


def measure_speech(run: BarRun, model: GivenModel, parts: Sequence[str]) -> list[Target]:
    """Every part in each round. Who was measured."""
    run.all({part: partial(_measure, run, model, part) for part in parts})
    return targets_of(model.name, model.digest, None, None)


def _measure(run: BarRun, model: GivenModel, part: str, number: int) -> Iterator[Sample]:
    with run.tolerating(part, number), OurServer(model.given, SETTINGS) as server:
        server.wait_until_serving()
        asyncio.run(until_speaking(server.target))
        try:
            yield from (Sample(number, key, value) for key, value in PARTS[part](server))
        except ClientError as error:
            raise NotMeasured(str(error)) from error
