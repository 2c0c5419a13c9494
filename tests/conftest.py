"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

from xapp.config import default_models_dir

DEFAULT_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def default_model_path() -> Path:
    """The default model's file, for tests marked slow."""
    path = Path(os.environ.get("XAPP_MODELS_DIR") or default_models_dir()) / DEFAULT_MODEL_FILE
    if not path.is_file():
        pytest.fail(f"{path} is missing: run `make model`")
    return path
