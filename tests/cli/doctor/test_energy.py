"""What `genai-xapp doctor` says of the meter of energy."""

import re
from pathlib import Path

import pytest

from tests.telemetry.power.boards import Board
from xapp.cli.doctor.energy import check_energy
from xapp.cli.doctor.finding import Finding, Level
from xapp.config import load_settings


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def check(board: Board, **environ: str) -> Finding:
    own = {"XAPP_POWER_SYS": str(board.sys), "XAPP_POWER_VCGENCMD": str(board.program)}
    return check_energy(load_settings(own | environ))


def test_the_watts_of_a_meter(board: Board) -> None:
    board.ina(0, 4_200_000)
    found = check(board)
    assert (found.level, found.advice) == (Level.OK, "")
    assert re.fullmatch(r"INA2xx: hwmon0: \d+\.\d W now", found.text)


@pytest.mark.parametrize(
    ("environ", "level"),
    [
        ({}, Level.OK),
        ({"XAPP_POWER_METER": "off"}, Level.OK),
        ({"XAPP_POWER_METER": "pmic"}, Level.WARN),
        ({"XAPP_POWER_BUDGET_W": "5"}, Level.FAIL),
        ({"XAPP_POWER_BUDGET_J_PER_HOUR": "9000", "XAPP_POWER_METER": "off"}, Level.FAIL),
    ],
)
def test_without_a_meter(environ: dict[str, str], level: Level, board: Board) -> None:
    found = check(board, **environ)
    assert found.level is level
    assert (found.advice == "") == (level is Level.OK)
