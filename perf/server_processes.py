"""The two servers, started the way the benchmark compares them."""

import os
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from perf import peers
from perf.engine_config import EngineConfig
from perf.json_child import ChildError
from perf.process_under_test import HOST, POLL_S, START_TIMEOUT_S, Server, free_port
from perf.survey_first import survey_first
from xapp.config import load_settings
from xapp.errors import XappError
from xapp.models.store import resolve

LOGS = peers.ROOT / ".build" / "perf"
MIN_SLOT_TOKENS = 2048


class OurServer(Server):
    """`genai-xapp serve` on free ports; `target` is its gRPC address, `http_target` that of /metrics."""

    def __init__(self, model: str, settings: Mapping[str, str], host: str = HOST) -> None:
        port = free_port(host)
        http_port = free_port(host)
        self.target = f"{host}:{port}"
        self.http_target = f"{host}:{http_port}"
        environment = {
            "XAPP_HOST": host,
            # In a network namespace the address is not of loopback.
            "XAPP_INSECURE": "true",
            "XAPP_GRPC_PORT": str(port),
            "XAPP_HTTP_PORT": str(http_port),
            # Every request is computed, as the peers do it.
            "XAPP_JOIN_IDENTICAL": "false",
            **settings,
        }
        command = [str(Path(sys.executable).with_name("genai-xapp")), "serve", "--model", model]
        _survey(model, environment)
        super().__init__(command, environment, LOGS / f"serve-{port}.log")

    def wait_until_serving(self) -> float:
        """Seconds from the start of the process to health SERVING. Raises StartError."""
        self.wait_for_port(self.target)
        with grpc.insecure_channel(self.target) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            try:
                for response in watch:
                    if response.status == health_pb2.HealthCheckResponse.SERVING:
                        return time.monotonic() - self.started_at
                    self.check_alive()
            except grpc.RpcError as error:
                raise self.start_error("stopped answering") from error
            finally:
                watch.cancel()
        raise self.start_error("ended its health stream")


def _survey(model: str, environment: Mapping[str, str]) -> None:
    """A model or a setting that cannot be served is reported by the server itself."""
    with suppress(XappError, ChildError):
        settings = load_settings({**os.environ, **environment}, {"model": model})
        file = resolve(settings.node.model, Path(settings.node.models_dir))
        survey_first(file.path, settings.engine)


class LlamaServer(Server):
    """llama-server with as many slots, threads and cells, and its defaults otherwise."""

    def __init__(self, model_path: Path, config: EngineConfig, num_slots: int, host: str = HOST) -> None:
        self._port = free_port(host)
        self.target = f"{host}:{self._port}"
        self.flags = llama_server_flags(config, num_slots)
        command = [str(peers.BINARY), "--model", str(model_path), "--host", host, "--port", str(self._port)]
        super().__init__([*command, *self.flags], {}, LOGS / f"llama-server-{self._port}.log")

    def wait_until_serving(self) -> float:
        """Seconds from the start of the process to /health. Raises StartError."""
        while not self._healthy():
            self.check_alive()
            time.sleep(POLL_S)
        return time.monotonic() - self.started_at

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.target}/health", timeout=START_TIMEOUT_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def llama_server_flags(config: EngineConfig, num_slots: int) -> list[str]:
    """Its context is divided among the slots, so each gets at least what the scenarios need."""
    context = max(config.kv_cells, num_slots * MIN_SLOT_TOKENS)
    threads = str(config.num_threads)
    return [
        *("--threads", threads, "--threads-batch", threads),
        *("--parallel", str(num_slots), "--ctx-size", str(context)),
        *("--cache-type-k", config.kv_type, "--cache-type-v", config.kv_type),
        "--no-webui",
    ]
