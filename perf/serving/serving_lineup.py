"""All contenders of one round, alive at the same time, idle unless asked.

The same program runs up to a fifth faster or slower from one start to the next (where its memory came
to lie, what the host gave it), for as long as it lives. Contenders that lived for a whole run would
carry that into every round; started anew, it is noise that the rounds average out.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec

from perf import peers
from perf.callers.callers import Callers
from perf.callers.load_commands import ServerAddress
from perf.callers.text_maker import TextMaker
from perf.closing import Ending
from perf.engine_config import EngineConfig
from perf.server_processes import LlamaServer, OurServer
from perf.serving.start_children import start_bare_loop, start_worker
from xapp.config import load_settings
from xapp.domain.messages import ModelInfo
from xapp.rotation import rotated


class Lineup(Ending):
    """Worker first: it sizes itself, and the others take its sizes, started in another order each round.

    `llama` is None when not built.
    """

    def __init__(self, model: str, model_path: Path, number: int) -> None:
        self._stack = ExitStack()
        self._model = model
        self._path = model_path
        self._number = number
        self.llama: LlamaServer | None = None
        self.llama_client: Callers | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        settings = load_settings(os.environ).engine
        self.worker = self._stack.enter_context(start_worker(self._path, settings))
        self.info = msgspec.json.decode(self.worker.greeting, type=ModelInfo)
        self.engine_config = EngineConfig.of(self.info, settings.batch_tokens)
        for start in rotated(
            [self._start_baseline, self._start_server, self._start_llama_server], self._number
        ):
            start()

    def _start_baseline(self) -> None:
        self.baseline = self._stack.enter_context(start_bare_loop(self._path, self.engine_config))

    def _start_server(self) -> None:
        self.server = self._stack.enter_context(OurServer(self._model, {}))
        self.server.wait_until_serving()
        self.client = self._callers(ServerAddress(grpc=self.server.target))
        self.texts = self._stack.enter_context(TextMaker(self.server.target))

    def _start_llama_server(self) -> None:
        if not peers.built():
            return
        self.llama = self._stack.enter_context(
            LlamaServer(self._path, self.engine_config, self.info.num_slots)
        )
        self.llama.wait_until_serving()
        self.llama_client = self._callers(ServerAddress(openai=f"http://{self.llama.target}"))

    def _callers(self, server: ServerAddress) -> Callers:
        return self._stack.enter_context(Callers(server))

    def close(self) -> None:
        """Ends them all."""
        self._stack.close()
