"""Fixtures for tests on real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateways import LiveGateway, serving_openai


@pytest.fixture(scope="session")
def live_gateway(default_model_path: Path) -> Iterator[LiveGateway]:
    """A real server with the default model and the port of OpenAI's dialect, shared as `live_server` is."""
    with serving_openai({"XAPP_MODELS_DIR": str(default_model_path.parent)}) as live:
        yield live
