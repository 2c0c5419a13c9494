from pathlib import Path

import pytest

from perf import round_loop


@pytest.fixture
def own_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another benchmark on this machine does not concern the test."""
    monkeypatch.setattr(round_loop, "LOGS", tmp_path / "logs")
