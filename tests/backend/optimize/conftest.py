from pathlib import Path

import pytest

from tests.backend.optimize.stand_in import SOURCE, StandIn, install
from tests.models.conftest import Seen
from xapp.models.store import ModelFile, resolve


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return install(monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    (tmp_path / "m.gguf").write_bytes(SOURCE)
    return resolve("m", tmp_path)


@pytest.fixture
def seen() -> Seen:
    return Seen()
