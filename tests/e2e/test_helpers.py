"""The default model over two helpers: real processes on the loopback interface, with faults."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.e2e.caller import SERVING, Caller, calling, endless, rest_of, until
from tests.e2e.live_helper import MEMORY_MB, LiveHelper, helping
from tests.live import LiveServer, serving
from tests.server.rich import details_of
from xapp.backend.rpc.devices import has_rpc
from xapp.backend.rpc.plan import HOST_RESERVE_BYTES
from xapp.backend.rpc.probe import probe
from xapp.backend.sizing import RESERVE_BYTES
from xapp.config.rpc_hosts import parse_hosts
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_rpc(), reason="this build of llama.cpp has no RPC (make setup)"),
]

ASK = pb.GenerateRequest(prompt="The sea is", max_tokens=8)
MB = 1 << 20


Pair = tuple[LiveHelper, LiveHelper]


@pytest.fixture(scope="module")
def helpers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Each has room for half of the layers and little more. The second has a cache."""
    folder = str(tmp_path_factory.mktemp("tensors"))
    small = str(HOST_RESERVE_BYTES // MB + 60)
    with (
        helping(XAPP_RPC_MEMORY_MB=small) as one,
        helping(XAPP_RPC_MEMORY_MB=small, XAPP_RPC_CACHE_DIR=folder, XAPP_RPC_CACHE_MB="200") as other,
    ):
        yield one, other


@pytest.fixture(scope="module")
def server(default_model_path: Path, helpers: Pair) -> Iterator[LiveServer]:
    """Ten layers here and at each helper. The memory limit of this node makes both helpers necessary."""
    environ = {
        "XAPP_MODEL": str(default_model_path),
        "XAPP_RPC_HOSTS": ",".join(helper.host for helper in helpers),
        "XAPP_RPC_SPLIT": "10,10,10",
        "XAPP_MEMORY_LIMIT_MB": str(RESERVE_BYTES // MB + 100),
        "XAPP_KV_CELLS": "2048",
        "XAPP_FLASH_ATTENTION": "off",
    }
    with serving(environ) as server:
        yield server


def test_a_helper_states_the_memory_that_it_was_given(helpers: Pair) -> None:
    with helping() as free:
        state = probe(parse_hosts(free.host)[0])
        assert state.total_bytes == MEMORY_MB << 20
        assert 0 < state.free_bytes <= state.total_bytes
        assert free.stop() == 0


async def test_the_answer_is_that_of_one_process(server: LiveServer, live_model_server: LiveServer) -> None:
    async with calling(live_model_server) as whole, calling(server) as caller:
        assert await caller.text(ASK) == await whole.text(ASK)


async def test_the_model_shows_where_its_layers_are(server: LiveServer, helpers: Pair) -> None:
    async with calling(server) as caller:
        shards = list((await caller.model()).shards)
    assert [shard.host for shard in shards] == ["", *(helper.host for helper in helpers)]
    assert [(shard.first_layer, shard.num_layers) for shard in shards] == [(0, 10), (10, 10), (20, 10)]
    assert all(shard.memory_bytes > 0 and shard.bytes_per_second > 0 for shard in shards)


async def test_a_helper_that_dies_ends_the_streams_and_comes_back(server: LiveServer, helpers: Pair) -> None:
    _, lost = helpers
    async with calling(server) as caller:
        before, num_restarts = await caller.text(ASK), (await caller.model()).num_restarts
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
        await until(lambda: _serves_again(caller, num_restarts))
        assert await caller.text(ASK) == before
        assert [shard.num_layers for shard in (await caller.model()).shards] == [10, 10, 10]


async def test_without_a_helper_that_stays_away(shallow_model_path: Path) -> None:
    """An idle node notices the loss, too: no request is lost for that."""
    with helping() as gone:
        environ = {
            "XAPP_MODEL": str(shallow_model_path),
            "XAPP_RPC_HOSTS": gone.host,
            "XAPP_RPC_SPLIT": "1,1",
        }
        with serving(environ) as server:
            async with calling(server) as caller:
                assert await caller.text(ASK)
                gone.close()
                await until(lambda: _serves_again(caller, 0))
                model = await caller.model()
                assert [(shard.host, shard.num_layers) for shard in model.shards] == [("", 2)]
                assert f"the helper {gone.host} cannot be reached: Connection refused" in model.warning
                assert await caller.text(ASK)


async def _serves_again(caller: Caller, num_restarts: int) -> bool:
    return await caller.check() == SERVING and (await caller.model()).num_restarts > num_restarts
