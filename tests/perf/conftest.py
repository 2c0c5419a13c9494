from pathlib import Path

import pytest

from perf import rounds


@pytest.fixture
def own_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another benchmark on this machine does not concern the test."""
    monkeypatch.setattr(rounds, "LOGS", tmp_path / "logs")
