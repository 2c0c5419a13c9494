"""The memory of helpers counts when a model is admitted. Contradicting settings stop the start."""

import dataclasses
from pathlib import Path

import pytest

from tests.service.nodes import Node
from xapp.backend.rpc.plan import HOST_RESERVE_BYTES, Hosts
from xapp.backend.rpc.probe import HostState
from xapp.config import EngineSettings, ModelSettings
from xapp.config.rpc_hosts import RpcHost
from xapp.errors import ConfigError, Exhausted
from xapp.served.dependencies import ModelDependencies, Need, ask_helpers
from xapp.served.helper_settings import check_helpers

MB = 1 << 20
GONE = "the helper c:2 cannot be reached (XAPP_RPC_HOSTS)"


class NodeWithHelpers(Node):
    """A node of 1,000 MB; helper b has 500 MB for layers, and helper c is away."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.available = 1000 * MB

    def tools(self) -> ModelDependencies:
        free = HOST_RESERVE_BYTES + 500 * MB
        hosts = Hosts((HostState(RpcHost("b", 1), "10.0.0.2:1", free, free, 1e-3),), (GONE,))
        return dataclasses.replace(super().tools(), ask_helpers=lambda _: hosts)


async def test_a_model_that_fits_with_a_helper(tmp_path: Path) -> None:
    node = NodeWithHelpers(tmp_path)
    node.needs = Need(1400 * MB, 0)
    async with node.serving(rpc_hosts="b:1,c:2") as service:
        assert service.samples()


async def test_a_model_that_does_not_fit_names_the_memory_of_each(tmp_path: Path) -> None:
    node = NodeWithHelpers(tmp_path)
    node.needs = Need(1600 * MB, 0)
    async with node.service(rpc_hosts="b:1,c:2") as service:
        with pytest.raises(Exhausted, match="1000 MB are available, 500 MB at b:1; the helper c:2") as caught:
            await service.wait_ready()
    assert caught.value.reason == "OUT_OF_MEMORY"


def test_without_helpers_nobody_is_asked() -> None:
    assert ask_helpers(EngineSettings()) == Hosts(())


@pytest.mark.parametrize(
    ("engine", "text"),
    [
        (EngineSettings(rpc_split="1,2"), "XAPP_RPC_SPLIT: big has no helpers: set XAPP_RPC_HOSTS"),
        (EngineSettings(rpc_hosts="a:1", gpu_layers=-1), "XAPP_RPC_HOSTS: big has layers on a GPU"),
    ],
)
def test_settings_that_contradict_each_other(engine: EngineSettings, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        check_helpers("big", ModelSettings(engine=engine))
    check_helpers("big", ModelSettings())
