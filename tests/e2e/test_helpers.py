"""The default model over two helpers: real processes on the loopback interface, with faults."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.e2e.caller import SERVING, calling, endless, rest_of, until
from tests.e2e.live_helper import MEMORY_MB, LiveHelper, helping
from tests.live import LiveServer, serving
from tests.server.rich import details_of
from xapp.backend.rpc.devices import has_rpc
from xapp.backend.rpc.probe import probe
from xapp.config.rpc_hosts import parse_hosts
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_rpc(), reason="this build of llama.cpp has no RPC (make setup)"),
]

ASK = pb.GenerateRequest(prompt="The sea is", max_tokens=8)
LAYERS = 30


@pytest.fixture(scope="module")
def helpers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveHelper, LiveHelper]]:
    """The second has a cache."""
    folder = str(tmp_path_factory.mktemp("tensors"))
    with helping() as one, helping(XAPP_RPC_CACHE_DIR=folder, XAPP_RPC_CACHE_MB="200") as other:
        yield one, other


@pytest.fixture(scope="module")
def server(default_model_path: Path, helpers: tuple[LiveHelper, LiveHelper]) -> Iterator[LiveServer]:
    """Ten layers here and at each helper."""
    environ = {
        "XAPP_MODEL": str(default_model_path),
        "XAPP_RPC_HOSTS": ",".join(helper.host for helper in helpers),
        "XAPP_RPC_SPLIT": "10,10,10",
        "XAPP_KV_CELLS": "2048",
        "XAPP_FLASH_ATTENTION": "off",
    }
    with serving(environ) as server:
        yield server


def test_a_helper_states_the_memory_that_it_was_given(helpers: tuple[LiveHelper, LiveHelper]) -> None:
    with helping() as free:
        state = probe(parse_hosts(free.host)[0])
        assert state.total_bytes == MEMORY_MB << 20
        assert 0 < state.free_bytes <= state.total_bytes
        assert free.stop() == 0


async def test_the_answer_is_that_of_one_process(server: LiveServer, live_model_server: LiveServer) -> None:
    async with calling(live_model_server) as whole, calling(server) as caller:
        assert await caller.text(ASK) == await whole.text(ASK)


async def test_the_model_shows_where_its_layers_are(
    server: LiveServer, helpers: tuple[LiveHelper, LiveHelper]
) -> None:
    async with calling(server) as caller:
        shards = list((await caller.model()).shards)
    assert [shard.host for shard in shards] == ["", *(helper.host for helper in helpers)]
    assert [(shard.first_layer, shard.num_layers) for shard in shards] == [(0, 10), (10, 10), (20, 10)]
    assert all(shard.memory_bytes > 0 and shard.bytes_per_second > 0 for shard in shards)


async def test_a_helper_that_dies_ends_the_streams_and_comes_back(
    server: LiveServer, helpers: tuple[LiveHelper, LiveHelper]
) -> None:
    _, lost = helpers
    async with calling(server) as caller:
        before = await caller.text(ASK)
        running = await caller.begin(endless())
        lost.kill_process()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rest_of(running)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert f"the helper {lost.host} broke" in (caught.value.details() or "")
        details = details_of(caught.value)
        assert details.info.reason == "RPC_HOST_LOST"
        assert details.info.metadata["host"] == lost.host
        assert details.retry is not None
        lost.next("listening")
        await until(lambda: _serves_again(server))
        assert await caller.text(ASK) == before


async def test_without_a_helper_that_stays_away(
    server: LiveServer, helpers: tuple[LiveHelper, LiveHelper]
) -> None:
    gone, other = helpers
    async with calling(server) as caller:
        running = await caller.begin(endless())
        gone.close()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rest_of(running)
        assert gone.host in (caught.value.details() or "")
        await until(lambda: _serves_again(server))
        model = await caller.model()
        assert [shard.host for shard in model.shards] == ["", other.host]
        assert sum(shard.num_layers for shard in model.shards) == LAYERS
        assert f"the helper {gone.host} cannot be reached: Connection refused" in model.warning
        assert await caller.text(ASK)


async def _serves_again(server: LiveServer) -> bool:
    async with calling(server) as caller:
        return await caller.check() == SERVING
