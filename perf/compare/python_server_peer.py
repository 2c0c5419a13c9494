"""llama-cpp-python's own server as a process, as `make peers` installed it."""

import time
import urllib.request
from pathlib import Path

from perf.engine_config import EngineConfig
from perf.peers.peer_paths import PYTHON_SERVER_PYTHON, PYTHON_SERVER_STAMP
from perf.process_under_test import HOST, START_TIMEOUT_S, Server, free_port
from perf.server_processes import LOGS

_POLL_S = 0.02
_GGML_TYPES = {"f16": 1, "q8_0": 8}


def installed() -> bool:
    """Whether `make peers` has been run."""
    return PYTHON_SERVER_PYTHON.is_file() and PYTHON_SERVER_STAMP.is_file()


class LlamaCppPythonServer(Server):
    """As many threads and cells and the same KV type. It has one sequence: it answers one at a time."""

    def __init__(self, model_path: Path, engine_config: EngineConfig, host: str = HOST) -> None:
        port = free_port(host)
        self.target = f"{host}:{port}"
        self.flags = flags(engine_config)
        command = [str(PYTHON_SERVER_PYTHON), "-m", "llama_cpp.server", "--model", str(model_path)]
        where = ["--host", host, "--port", str(port)]
        super().__init__([*command, *where, *self.flags], {}, LOGS / f"llama-cpp-python-{port}.log")

    def wait_until_serving(self) -> float:
        """Seconds from the start of the process until it lists its model. Raises StartError."""
        while not self._lists_models():
            self.check_alive()
            time.sleep(_POLL_S)
        return time.monotonic() - self.started_at

    def _lists_models(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.target}/v1/models", timeout=START_TIMEOUT_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def flags(engine_config: EngineConfig) -> list[str]:
    """Its defaults would cut a running answer off for a new one and keep the logits of whole prompts."""
    threads, kv_type = str(engine_config.num_threads), str(_GGML_TYPES[engine_config.kv_type])
    return [
        *("--n_threads", threads, "--n_threads_batch", threads),
        *("--n_ctx", str(engine_config.kv_cells), "--n_batch", str(engine_config.batch_tokens)),
        *("--type_k", kv_type, "--type_v", kv_type),
        *("--flash_attn", "true" if engine_config.flash_attention else "false"),
        *("--interrupt_requests", "false", "--logits_all", "false", "--use_mlock", "false"),
        *("--verbose", "false"),
    ]
