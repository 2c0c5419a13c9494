"""Starts the processes below the server that runs are compared with: our worker, and a bare loop."""

from pathlib import Path

import msgspec

from perf.engine_config import EngineConfig
from perf.json_child import Child
from perf.survey_first import survey_first
from xapp.config import EngineSettings


def start_worker(path: Path, settings: EngineSettings) -> Child:
    """A worker of the model. Its greeting is a ModelInfo. Raises ChildError."""
    survey_first(path, settings)
    return Child("perf.serving.worker_driver", "--model", str(path), "--settings", _json(settings))


def start_bare_loop(path: Path, config: EngineConfig) -> Child:
    """A loop over llama.cpp of the same sizes. Raises ChildError."""
    return Child("perf.serving.bare_decode_loop", "--model", str(path), "--engine-config", _json(config))


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
