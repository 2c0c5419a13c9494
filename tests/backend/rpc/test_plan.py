"""Plans over made-up helpers: sizes from a real file's header, no network, no llama.cpp."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.models.gguf_file import F32, LLAMA, gguf_bytes
from xapp.backend.rpc.errors import lost
from xapp.backend.rpc.plan import HOST_RESERVE_BYTES, Plan, ask_hosts, plan
from xapp.backend.rpc.probe import HostState
from xapp.backend.sizing import RESERVE_BYTES, Node
from xapp.config import EngineSettings
from xapp.config.rpc_hosts import RpcHost
from xapp.errors import ConfigError, ModelError, Unavailable

MB = 1 << 20
LAYERS = 8
LAYER_BYTES = 32 * MB
HOSTS = "b:1,c:2"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """8 layers of 32 MB, and embeddings of 16 MB, without the data: a plan reads the headers only."""
    tensors = [("token_embd.weight", (64, 65536), F32)]
    tensors += [(f"blk.{number}.w", (64, 131072), F32) for number in range(LAYERS)]
    path = tmp_path_factory.mktemp("model") / "model.gguf"
    with path.open("wb") as file:
        head = gguf_bytes(LLAMA | {"llama.block_count": LAYERS}, tensors, data=0)
        file.write(head)
        file.truncate(len(head) + LAYER_BYTES)
    return str(path)


class Network:
    """Helpers with so many MB for layers; a helper without an entry does not answer. All are as fast."""

    def __init__(self, rooms: Mapping[str, int], speeds: Mapping[str, float] | None = None) -> None:
        self._rooms = rooms
        self._speeds = speeds or {}

    def probe(self, host: RpcHost) -> HostState:
        if host.name not in self._rooms:
            raise lost(host, "cannot be reached")
        free = HOST_RESERVE_BYTES + self._rooms[host.name] * MB
        return HostState(host, f"10.0.0.{ord(host.name) - 96}:{host.port}", free, 2 * free, 1e-3)

    def speed(self, state: HostState | None) -> float:
        return self._speeds.get(state.host.name if state else "", 1e10)


def planned(model: str, here_mb: int, network: Network, **settings: object) -> Plan:
    """`here_mb` are beside the reserve. The cache is 512 cells: 2 MB."""
    values = {"rpc_hosts": HOSTS, "kv_cells": 512, "prefix_cache": False, **settings}
    node = Node(RESERVE_BYTES + here_mb * MB, 2)
    return plan(model, EngineSettings(**values), node, network.probe, network.speed)  # type: ignore[arg-type]


def counts(found: Plan) -> list[int]:
    return [shard.num_layers for shard in found.shards]


def test_layers_go_where_there_is_room(model: str) -> None:
    found = planned(model, 16 + 70, Network({"b": 100, "c": 200}))
    assert counts(found)[0] == 2
    assert sum(counts(found)) == LAYERS
    assert [shard.host for shard in found.shards] == ["", "b:1", "c:2"]
    assert sum(shard.weight_bytes for shard in found.shards) == LAYERS * LAYER_BYTES
    assert found.missing == ()
    assert found.node.memory_bytes == RESERVE_BYTES + 86 * MB + 300 * MB


def test_a_helper_that_is_not_needed_gets_nothing(model: str) -> None:
    assert counts(planned(model, 1000, Network({"b": 1000, "c": 1000}))) == [8, 0, 0]


def test_the_fastest_helper_gets_what_it_has_room_for(model: str) -> None:
    network = Network({"b": 1000, "c": 140}, {"c": 1e12, "b": 1e9})
    assert counts(planned(model, 1000, network)) == [4, 0, 4]


def test_the_split_of_the_settings(model: str) -> None:
    found = planned(model, 1000, Network({"b": 1000, "c": 1000}), rpc_split="2,3,3")
    assert counts(found) == [2, 3, 3]
    assert [shard.first_layer for shard in found.shards] == [0, 2, 5]


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ("4,4", "this node and its helpers are 3"),
        ("3,3,3", "9 layers, and the model has 8"),
        ("0,7,1", r"7 layers at b:1 need 2\d\d MB, and there is room for 100 MB"),
    ],
)
def test_a_split_that_cannot_be(model: str, split: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"XAPP_RPC_SPLIT: .*{text}"):
        planned(model, 1000, Network({"b": 100, "c": 1000}), rpc_split=split)


def test_without_a_missing_helper_where_the_others_have_room(model: str) -> None:
    found = planned(model, 100, Network({"c": 1000}), rpc_split="2,3,3")
    assert sum(counts(found)) == LAYERS
    assert [shard.host for shard in found.shards] == ["", "c:2"]
    assert found.missing == ("the helper b:1 cannot be reached (XAPP_RPC_HOSTS)",)


def test_a_missing_helper_whose_memory_is_needed(model: str) -> None:
    with pytest.raises(Unavailable, match="room for: this node 84 MB, c:2 10 MB; the helper b:1") as caught:
        planned(model, 100, Network({"c": 10}))
    assert caught.value.reason == "RPC_HOST_LOST"


def test_too_little_memory_in_all(model: str) -> None:
    with pytest.raises(ModelError, match=r"need 25\d MB.*this node 4 MB, b:1 10 MB, c:2 0 MB") as caught:
        planned(model, 20, Network({"b": 10, "c": 0}))
    assert caught.value.reason == "OUT_OF_MEMORY"


def test_the_limit_of_this_node_is_not_the_limit_of_the_helpers(model: str) -> None:
    limit = RESERVE_BYTES // MB + 16 + 40
    found = planned(model, 1000, Network({"b": 1000, "c": 1000}), memory_limit_mb=limit)
    assert counts(found)[0] == 1
    assert found.settings.memory_limit_mb is None


def test_two_names_of_a_helper() -> None:
    def probe(host: RpcHost) -> HostState:
        return HostState(host, "10.0.0.2:1", 1, 1, 1e-3)

    with pytest.raises(ConfigError, match=r"XAPP_RPC_HOSTS: b:1 and c:1 are the same helper, 10\.0\.0\.2:1"):
        ask_hosts(EngineSettings(rpc_hosts="b:1,c:1"), probe)


def test_a_port_that_is_no_helper_is_an_error(model: str) -> None:
    def probe(_: RpcHost) -> HostState:
        raise ModelError("b:1 speaks another protocol")

    speed: Callable[[HostState | None], float] = Network({}).speed
    with pytest.raises(ModelError, match="another protocol"):
        plan(model, EngineSettings(rpc_hosts=HOSTS), Node(1 << 33, 2), probe, speed)


def test_a_file_without_layers(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes())
    with pytest.raises(ModelError, match="its layers are not"):
        planned(str(path), 1000, Network({"b": 1000, "c": 1000}))
