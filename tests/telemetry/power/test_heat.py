"""Temperature and throttling of made-up boards."""

import pytest

from tests.telemetry.power.boards import Board
from xapp.telemetry.power.heat import PI_LIMIT_CELSIUS, HeatSensors
from xapp.telemetry.power.vcgencmd import Vcgencmd


def test_the_hottest_zone_counts(board: Board) -> None:
    board.zone(0, 51.3)
    board.zone(1, 62.5)
    assert HeatSensors(board.sys, None).celsius() == 62.5


@pytest.mark.parametrize("content", ["", "hot", "999999999", "-300000"])
def test_a_zone_with_garbage_does_not_count(board: Board, content: str) -> None:
    board.zone(0, 51.3)
    board.zone(1, 99)
    heat = HeatSensors(board.sys, None)
    board.write("class/thermal/thermal_zone1/temp", content)
    assert heat.celsius() == 51.3
    (board.sys / "class/thermal/thermal_zone0/temp").unlink()
    assert heat.celsius() is None


def test_a_machine_without_sensors_tells_nothing(board: Board) -> None:
    heat = HeatSensors(board.sys, None)
    assert (heat.any, heat.celsius(), heat.throttled(), heat.limit_celsius) == (False, None, None, None)


@pytest.mark.parametrize(
    ("word", "throttled"), [("0", False), ("50000", False), ("50005", True), ("4", True)]
)
def test_the_low_bits_of_the_word_count(board: Board, word: str, throttled: bool) -> None:
    board.write("devices/platform/soc/soc:firmware/get_throttled", word)
    assert HeatSensors(board.sys, None).throttled() is throttled


def test_the_firmware_is_asked_where_the_kernel_has_no_file(board: Board) -> None:
    board.says("get_throttled", "throttled=0xe0008\n")
    heat = HeatSensors(board.sys, Vcgencmd(board.install()))
    assert heat.throttled() is True
    board.says("get_throttled", 'error=1 error_msg="Command not registered"\n')
    assert heat.throttled() is None


def test_the_limit_is_that_of_the_board(board: Board) -> None:
    board.zone(0, 50)
    board.trip(0, "critical", 110)
    board.trip(1, "active", 60)
    assert HeatSensors(board.sys, None).limit_celsius is None
    board.trip(2, "passive", 95)
    board.trip(3, "passive", 97)
    assert HeatSensors(board.sys, None).limit_celsius == 95
    assert HeatSensors(board.sys, None, 70.0).limit_celsius == 70
    assert HeatSensors(board.sys, Vcgencmd("/none")).limit_celsius == PI_LIMIT_CELSIUS
