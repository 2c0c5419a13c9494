from pathlib import Path

import pytest

from tests.telemetry.power.boards import Board


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)
