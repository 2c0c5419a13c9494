"""The servers of one row, alive at the same time and idle unless asked, each with its callers."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import msgspec

from perf import peers
from perf.closing import Ending
from perf.engine_config import EngineConfig
from perf.json_child import Child
from perf.load.load_samples import Request
from perf.load.prompt_maker import Prompts
from perf.process_under_test import StartError
from perf.promises.contract_caller import Called, Calls, Foretell, Foretold
from perf.promises.loop_callers import Command
from perf.promises.request_mix import RequestWriter, Speeds, Wanted
from perf.server_processes import LlamaServer, OurServer
from perf.targets.grpc_target import GrpcTarget
from perf.targets.target import CompletionRequest
from xapp.config import EngineSettings
from xapp.inference.v1 import models_pb2 as pb
from xapp.inference.v1 import models_pb2_grpc as rpc

_ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Contender:
    """A server and the process of its callers. `kind` and `address` are for further callers."""

    name: str
    kind: str
    address: str
    client: Child

    def ask(self, command: Command) -> list[Request]:
        """Has it carried out. Raises ChildError."""
        return ask(self.client, command)


class Lineup(Ending):
    """Starts what a row asks for, and ends all of it. `shape` is our server's, `flags` are llama-server's."""

    def __init__(self, model: str, path: Path) -> None:
        self._stack = ExitStack()
        self._model = model
        self._path = path
        self.engine_config: EngineConfig | None = None
        self.flags: list[str] | None = None

    def ours(self, name: str = "ours", settings: Mapping[str, str] | None = None) -> Contender:
        """`genai-xapp serve` with its defaults, but for `settings`. Raises StartError, ChildError."""
        server = self._stack.enter_context(OurServer(self._model, dict(settings or {})))
        server.wait_until_serving()
        self.engine_config = engine_config_of(server.target)
        return Contender(name, "grpc", server.target, self._client("grpc", server.target))

    def llama_server(self) -> Contender | None:
        """With the slots, threads and cells of ours, which was started before; None when it is not built."""
        config = self.engine_config
        assert config is not None
        if not peers.built():
            return None
        server = self._stack.enter_context(LlamaServer(self._path, config, config.num_slots))
        server.wait_until_serving()
        self.flags = server.flags
        return Contender("llama", "http", server.target, self._client("http", server.target))

    def more_callers(self, contender: Contender) -> Child:
        """Another process of callers of the same server."""
        return self._client(contender.kind, contender.address)

    def caller(self, contender: Contender, client_id: str = "") -> Child:
        """A caller of a server of ours, by a name of its own: see `perf.promises.contract_caller`."""
        named = [client_id] if client_id else []
        return self._stack.enter_context(Child("perf.promises.contract_caller", contender.address, *named))

    def writer(self, contender: Contender, seed: int) -> "Writer":
        """Makes requests with the tokenizer of a server of ours."""
        return self._stack.enter_context(Writer(contender.address, seed))

    def _client(self, kind: str, address: str) -> Child:
        return self._stack.enter_context(Child("perf.promises.loop_callers", kind, address))

    def close(self) -> None:
        """Ends callers and servers."""
        self._stack.close()


class Writer(Ending):
    """Makes requests, before there is load. `seed` makes their texts new."""

    def __init__(self, address: str, seed: int) -> None:
        self._runner = asyncio.Runner()
        self._target = GrpcTarget(address)
        self._writer = RequestWriter(Prompts(self._target.count_tokens), seed)

    def write(self, wanted: Sequence[Wanted], speeds: Speeds | None = None) -> list[CompletionRequest]:
        """See `RequestWriter.of`."""
        return self._runner.run(self._writer.of(wanted, speeds))

    def text(self, num_tokens: int) -> str:
        """A text of exactly so many tokens."""
        return self._runner.run(self._writer.text(num_tokens))

    def close(self) -> None:
        """Ends the connection."""
        self._runner.run(self._target.aclose())
        self._runner.close()


def ask(client: Child, command: Command) -> list[Request]:
    """Has a command carried out. Raises ChildError."""
    return msgspec.json.decode(client.ask(command), type=list[Request])


def call(caller: Child, calls: Calls) -> list[Called]:
    """Has the calls made. Raises ChildError."""
    return msgspec.json.decode(caller.ask(calls), type=list[Called])


def foretell(caller: Child, command: Foretell) -> list[Foretold]:
    """Has requests predicted and made. Raises ChildError."""
    return msgspec.json.decode(caller.ask(command), type=list[Foretold])


class Beside(Ending):
    """A command that is carried out while others are: `requests` waits for its end."""

    def __init__(self, client: Child, command: Command) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(ask, client, command)

    def requests(self) -> list[Request]:
        """What became of it. Raises ChildError."""
        return self._future.result()

    def close(self) -> None:
        """Waits for its end: a command ends by itself."""
        self._pool.shutdown()


def engine_config_of(address: str) -> EngineConfig:
    """How a server of ours sized its default model. Raises StartError."""
    with grpc.insecure_channel(address) as channel:
        stub: Any = rpc.ModelServiceStub(channel)
        try:
            model = stub.GetModel(pb.GetModelRequest(), timeout=_ANSWER_TIMEOUT_S).model
        except grpc.RpcError as error:
            raise StartError(f"{address} does not tell of its model: {error}") from error
    return EngineConfig(
        kv_cells=model.kv_cells_total,
        num_slots=model.num_slots,
        num_threads=model.num_threads,
        flash_attention=model.flash_attention,
        kv_type=model.kv_type,
        batch_tokens=EngineSettings().batch_tokens,
    )
