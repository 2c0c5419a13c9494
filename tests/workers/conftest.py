"""A scripted worker for tests of the server's side."""

from pathlib import Path

import pytest

from tests.workers.workers import WorkerScript


@pytest.fixture
def script(tmp_path: Path) -> WorkerScript:
    """A model file that the scripted worker serves; its load can be made to fail."""
    return WorkerScript(tmp_path / "model.gguf")
