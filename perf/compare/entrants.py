"""Who takes part, and how each comes up: servers of this run are started and stopped, others are asked."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
import msgspec

from perf import peers
from perf.callers.callers import Callers
from perf.callers.load_commands import ServerAddress
from perf.compare import python_server_peer
from perf.compare.compare_samples import ECHO
from perf.compare.contestant import Contestant
from perf.compare.echo_server import EchoServer
from perf.engine_config import EngineConfig
from perf.network.traffic_counters import Counter
from perf.process_under_test import HOST, StartError
from perf.record import result_schema
from perf.server_processes import LlamaServer, OurServer
from perf.targets.grpc_target import GrpcTarget
from perf.targets.http_endpoint import HttpEndpoint
from perf.targets.openai_target import OpenAITarget
from perf.targets.target import TargetError
from xapp.backend.vocab import Vocab
from xapp.inference.v1 import models_pb2 as pb
from xapp.inference.v1 import models_pb2_grpc as rpc

OURS = "ours"
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class NetworkSetup:
    """Where servers listen and how client processes begin; `traffic` where the network is shaped."""

    host: str = HOST
    prefix: tuple[str, ...] = ()
    traffic: Counter | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What all entrants of a round have in common. `shape` is ours; peers take it over."""

    stack: ExitStack
    network: NetworkSetup
    model_path: Path
    engine_config: EngineConfig | None = None

    def callers(self, server: ServerAddress) -> Callers:
        """A process of callers where clients run."""
        return self.stack.enter_context(Callers(server, self.network.prefix))

    @property
    def common(self) -> EngineConfig:
        """Ours, once it is up."""
        assert self.engine_config is not None, "ours comes up first"
        return self.engine_config


class Entrant(Protocol):
    """`name` is the target's in samples and figures."""

    @property
    def name(self) -> str:
        """Stable over runs."""
        ...

    def enter(self, setting: Setting) -> Contestant:
        """Comes up; goes with the setting's stack. Raises TargetError."""
        ...


@dataclass(frozen=True, slots=True)
class Ours:
    """Our endpoint: at `address`, or started for the run with `model`."""

    model: str
    batch_tokens: int
    address: str | None = None
    name: str = OURS

    def enter(self, setting: Setting) -> Contestant:
        """See Entrant."""
        if self.address:
            return self._contestant(setting, self.address, None, [])
        server = setting.stack.enter_context(OurServer(self.model, {}, setting.network.host))
        _serving(server)
        return self._contestant(setting, server.target, server.pid, server.command[1:])

    def _contestant(self, setting: Setting, address: str, pid: int | None, flags: list[str]) -> Contestant:
        target, engine_config = describe_ours(address, self.batch_tokens)
        target = msgspec.structs.replace(target, name=self.name, flags=flags, engine_config=engine_config)
        client = setting.callers(ServerAddress(grpc=address))
        return Contestant(target, client, setting.model_path, pid, traffic=setting.network.traffic)


def describe_ours(address: str, batch_tokens: int) -> tuple[result_schema.Target, EngineConfig]:
    """Who answers, and how its engine is sized. Raises TargetError."""
    target = asyncio.run(_described(GrpcTarget(address)))
    try:
        with grpc.insecure_channel(address) as channel:
            request = pb.GetModelRequest(name=target.model)
            model = rpc.ModelServiceStub(channel).GetModel(request, timeout=_TIMEOUT_S).model
    except grpc.RpcError as error:
        raise TargetError("protocol", f"{address} does not describe its model: {error}") from error
    return target, EngineConfig(
        kv_cells=model.kv_cells_total,
        num_slots=model.num_slots,
        num_threads=model.num_threads,
        flash_attention=model.flash_attention,
        kv_type=model.kv_type,
        batch_tokens=batch_tokens,
    )


async def _described(target: GrpcTarget | OpenAITarget) -> result_schema.Target:
    try:
        return await target.describe()
    finally:
        await target.aclose()


@dataclass(frozen=True, slots=True)
class OpenAi:
    """Any OpenAI-compatible server by its URL."""

    url: str

    @property
    def name(self) -> str:
        """HOST:PORT."""
        return HttpEndpoint.parse(self.url).address

    def enter(self, setting: Setting) -> Contestant:
        """See Entrant."""
        return _openai(setting, self.name, self.url, {})


@dataclass(frozen=True, slots=True)
class LlamaServerPeer:
    """llama-server with our sizes, started for the run."""

    name: str = "llama-server"

    def enter(self, setting: Setting) -> Contestant:
        """See Entrant."""
        if not peers.built():
            raise TargetError("unreachable", "llama-server is not built: run `make peers`")
        engine_config = setting.common
        server = LlamaServer(setting.model_path, engine_config, engine_config.num_slots, setting.network.host)
        setting.stack.enter_context(server)
        _serving(server)
        url = f"http://{server.target}"
        return _openai(setting, self.name, url, {}, pid=server.pid, flags=server.flags)


@dataclass(frozen=True, slots=True)
class PythonServerPeer:
    """llama-cpp-python's own server with our sizes, started for the run."""

    name: str = "llama-cpp-python"

    def enter(self, setting: Setting) -> Contestant:
        """See Entrant."""
        if not python_server_peer.installed():
            raise TargetError("unreachable", "llama-cpp-python's server is not installed: run `make peers`")
        server = python_server_peer.LlamaCppPythonServer(
            setting.model_path, setting.common, setting.network.host
        )
        setting.stack.enter_context(server)
        _serving(server)
        # It does not know ignore_eos: every token that would end an answer is made impossible.
        extra = {"logit_bias": {str(token): -100 for token in ending_tokens(setting.model_path)}}
        url = f"http://{server.target}"
        return _openai(setting, self.name, url, extra, pid=server.pid, flags=server.flags, queues=True)


@dataclass(frozen=True, slots=True)
class Echo:
    """gRPC without a model, at our pace."""

    name: str = ECHO

    def enter(self, setting: Setting) -> Contestant:
        """See Entrant."""
        server = setting.stack.enter_context(EchoServer(setting.network.host))
        _serving(server)
        target = result_schema.Target(self.name, "grpc", server.target, "none", server="grpc.aio")
        client = setting.callers(ServerAddress(grpc=server.target))
        return Contestant(target, client, setting.model_path, server.pid, traffic=setting.network.traffic)


def ending_tokens(model_path: Path) -> list[int]:
    """The tokens that end an answer of this model."""
    vocab = Vocab(model_path)
    try:
        return [token for token in range(vocab.size) if vocab.is_end(token)]
    finally:
        vocab.close()


def _openai(
    setting: Setting,
    name: str,
    url: str,
    extra: dict[str, Any],
    *,
    pid: int | None = None,
    flags: list[str] | None = None,
    queues: bool = False,
) -> Contestant:
    target = asyncio.run(_described(OpenAITarget(url, name=name)))
    client = setting.callers(ServerAddress(openai=url, model=target.model, extra=extra))
    # A server that names its model by the path of the file tells where it lies on that machine.
    target = msgspec.structs.replace(target, name=name, model=Path(target.model).name, flags=flags or [])
    return Contestant(target, client, setting.model_path, pid, queues, setting.network.traffic)


def _serving(server: OurServer | LlamaServer | EchoServer | python_server_peer.LlamaCppPythonServer) -> None:
    try:
        server.wait_until_serving()
    except StartError as error:
        raise TargetError("unreachable", str(error)) from error
