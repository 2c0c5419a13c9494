"""A real node on a made-up board: energy in its answers, heat in its metrics, a budget that it keeps."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc.aio
import pytest

from tests.e2e.caller import ENDLESS_FAKE, Caller, calling, counted
from tests.live import LiveServer, serving
from tests.server.rich import details_of
from tests.telemetry.power.boards import RAILS, Board
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

WATTS = 4.0
LENGTHS = [6000, 12_000, 24_000, 48_000]
"""Tokens. How many readings of the meter an answer sees depends on the machine: a longer answer sees more."""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    board = Board(tmp_path_factory.mktemp("board"))
    board.ina(0, round(WATTS * 1e6))
    board.zone(0, 81.5)
    board.says("get_throttled", "throttled=0x4\n")
    board.says("pmic_read_adc", RAILS)
    return board


def settings(board: Board) -> dict[str, str]:
    return {
        **ENDLESS_FAKE,
        "XAPP_POWER_SYS": str(board.sys),
        "XAPP_POWER_VCGENCMD": board.install(),
    }


@pytest.fixture(scope="module")
def server(board: Board) -> Iterator[LiveServer]:
    with serving(settings(board)) as server:
        yield server


@pytest.fixture
async def caller(server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(server) as caller:
        yield caller


def answer(max_tokens: int) -> pb.GenerateRequest:
    return pb.GenerateRequest(prompt="go on", ignore_eos=True, max_tokens=max_tokens)


async def test_an_answer_has_its_energy(caller: Caller) -> None:
    for max_tokens in LENGTHS:
        finished = (await caller.generate(answer(max_tokens)))[-1].finished
        if finished.HasField("energy"):
            break
    timing = finished.timing
    taken = (timing.prefill.ToNanoseconds() + timing.decode.ToNanoseconds()) / 1e9
    assert finished.energy.gross_joules == pytest.approx(WATTS * taken, rel=0.2)


async def all_answers(caller: Caller) -> None:
    for max_tokens in LENGTHS:
        await caller.generate(answer(max_tokens))


async def test_a_request_beyond_the_budget_is_refused(board: Board) -> None:
    """The node learns what its work takes from its first requests, and refuses after those."""
    budget = {"XAPP_POWER_BUDGET_J_PER_HOUR": "1"}
    with serving(settings(board) | budget) as server:
        async with calling(server) as caller:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await all_answers(caller)
    found = details_of(caught.value)
    assert found.info.reason == "ENERGY_BUDGET"
    assert found.info.metadata["class"] == "interactive"


async def test_metrics_tell_power_and_heat(caller: Caller) -> None:
    sample = await caller.inference.Metrics(pb.MetricsRequest(count=1)).read()
    host = sample.host
    assert host.power_meter == "INA2xx: hwmon0"
    assert host.power_watts == pytest.approx(WATTS, rel=0.01)
    assert (host.temperature_celsius, host.throttled) == (81.5, True)
    assert host.throttles_in.ToMilliseconds() == 0
    assert await counted(caller.server, "power_watts") == pytest.approx(WATTS, rel=0.01)


@pytest.mark.parametrize(("variable", "value"), [("XAPP_POWER_BUDGET_W", "5"), ("XAPP_POWER_METER", "rapl")])
def test_a_budget_or_a_meter_that_nobody_can_read_stops_the_start(
    tmp_path: Path, variable: str, value: str
) -> None:
    environ = {"XAPP_BACKEND": "fake", "XAPP_POWER_SYS": str(tmp_path), variable: value}
    done = subprocess.run(
        [sys.executable, "-m", "xapp.cli", "serve", "--grpc-port", "0", "--http-port", "0"],
        env={"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert f"{variable}: " in done.stderr
    assert "RAPL" in done.stderr
