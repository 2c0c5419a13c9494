"""All contenders of one run, alive at the same time, idle unless asked."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec

from perf import peers
from perf.child import Child
from perf.contenders import LlamaServer, OurServer
from perf.ending import Ending
from perf.shape import EngineShape
from xapp.config import load_settings
from xapp.engine.messages import ModelInfo


class Field(Ending):
    """Worker first: it sizes itself, and the others take its sizes. `llama` is None when not built."""

    def __init__(self, model: str, model_path: Path) -> None:
        self._stack = ExitStack()
        self._model = model
        self._path = model_path
        self.llama: LlamaServer | None = None
        self.llama_client: Child | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        settings = load_settings(os.environ).engine
        encoded = msgspec.json.encode(settings).decode()
        self.worker = self._child("perf.serving.in_worker", "--model", str(self._path), "--settings", encoded)
        self.info = msgspec.json.decode(self.worker.greeting, type=ModelInfo)
        self.shape = EngineShape.of(self.info, settings.batch_tokens)
        shape = msgspec.json.encode(self.shape).decode()
        self.baseline = self._child("perf.serving.baseline", "--model", str(self._path), "--shape", shape)
        self.server = self._stack.enter_context(OurServer(self._model, {}))
        self.server.wait_until_serving()
        self.client = self._child("perf.serving.load", "grpc", self.server.target)
        if peers.built():
            self._start_llama_server()

    def _start_llama_server(self) -> None:
        self.llama = self._stack.enter_context(LlamaServer(self._path, self.shape, self.info.num_slots))
        self.llama.wait_until_serving()
        self.llama_client = self._child("perf.serving.load", "http", self.llama.target)

    def _child(self, module: str, *args: str) -> Child:
        return self._stack.enter_context(Child(module, *args))

    def close(self) -> None:
        """Ends them all."""
        self._stack.close()
