"""The whole of it: meters in a thread, figures on the event loop."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.telemetry.power.boards import RAILS, RAILS_W, Board
from xapp.domain.messages import Stats
from xapp.domain.power import PowerState
from xapp.telemetry.power.heat import HeatSensors
from xapp.telemetry.power.meter import EnergyMeter, NoMeter
from xapp.telemetry.power.node_power import STALE_S, Meters, NodePower, find_meters
from xapp.telemetry.power.reading import PowerReading

NO_HEAT = HeatSensors(Path("/nonexistent"), None)


class Metered:
    """A meter whose readings the test decides."""

    name, interval_s = "stand-in", 0.001

    def __init__(self, joules: Callable[[], float]) -> None:
        self.joules = joules


async def seen(power: NodePower, condition: Callable[[PowerState], bool]) -> PowerState:
    """The first state that meets the condition."""
    async with asyncio.timeout(60):
        while not condition(power.state):  # noqa: ASYNC110  readings come by themselves
            await asyncio.sleep(0.001)
    return power.state


async def reading(meter: EnergyMeter | None, heat: HeatSensors = NO_HEAT) -> NodePower:
    power = NodePower(lambda: Meters(meter, heat))
    await power.start()
    return power


async def test_a_pi_tells_power_temperature_and_throttling(board: Board) -> None:
    board.says("pmic_read_adc", RAILS)
    board.says("get_throttled", "throttled=0x4\n")
    board.zone(0, 82.0)
    power = NodePower(lambda: find_meters("auto", board.sys, board.install()))
    await power.start()
    state = await seen(power, lambda state: state.watts is not None)
    power.close()
    assert state.watts == pytest.approx(RAILS_W, rel=0.01)
    assert (state.celsius, state.throttled, state.heat.throttled) == (82.0, True, True)
    assert state.meter.startswith("Raspberry Pi 5")


async def test_without_meter_and_sensor_nothing_runs() -> None:
    before = threading.active_count()
    power = await reading(None)
    assert power.state == PowerState()
    assert threading.active_count() <= before + 1, "at most the thread that looked for meters"
    power.close()


async def test_a_meter_that_hangs_holds_up_nobody_and_leaves_no_figure() -> None:
    hangs, read = threading.Event(), threading.Event()

    def joules() -> float:
        read.set()
        hangs.wait(60)
        return 1.0

    clock = [0.0]
    power = NodePower(lambda: Meters(Metered(joules), NO_HEAT), lambda: clock[0])
    await power.start()
    await asyncio.to_thread(read.wait, 60)
    power.take(PowerReading(1.0, 5.0))
    clock[0] = 2.0
    assert power.state.fault == ""
    clock[0] = 1.0 + STALE_S + 1
    assert power.state == PowerState(fault="the meters hang")
    assert power.joules_since(10.0) is None
    power.close()
    hangs.set()


async def test_a_meter_that_fails_is_told_and_comes_back() -> None:
    broken = threading.Event()
    counted = [0.0]

    def joules() -> float:
        if broken.is_set():
            raise NoMeter("somebody pulled the plug")
        counted[0] += 0.01
        return counted[0]

    power = await reading(Metered(joules))
    await seen(power, lambda state: state.watts is not None)
    broken.set()
    failed = await seen(power, lambda state: bool(state.fault))
    assert (failed.watts, failed.joules, failed.fault) == (None, None, "somebody pulled the plug")
    broken.clear()
    assert (await seen(power, lambda state: state.watts is not None)).fault == ""
    power.close()


def test_the_model_s_step_time_decides_who_pays() -> None:
    power = NodePower(lambda: Meters(None, NO_HEAT), lambda: 3.0)
    steps = [0.0]
    power.watch("m", lambda: Stats(total_step_seconds=steps[0]))
    for second in range(4):
        power.take(PowerReading(float(second), 5.0 * second))
        steps[0] += 1.0
    total = power.total_of("m")
    assert total is not None
    assert total.gross_j == pytest.approx(15.0)
    assert power.joules_since(2.0) == pytest.approx(10.0)
    power.forget("m")
    power.take(PowerReading(4.0, 20.0))
    assert power.total_of("m") is None


def test_off_is_off(board: Board) -> None:
    board.rapl("intel-rapl:0", "package-0", 1)
    board.zone(0, 50)
    assert find_meters("auto", board.sys).meter is not None
    off = find_meters("off", board.sys)
    assert (off.meter, off.heat.any) == (None, False)
