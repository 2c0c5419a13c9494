"""A model over the chart's two helpers: it answers, strangers reach no helper, and a lost one comes back."""

from collections.abc import Iterator

import pytest

from tests.cluster.peer import Peer
from tests.cluster.release import CommandError, Release, kubectl
from tests.cluster.test_network import soon, started
from xapp.backend.rpc.plan import HOST_RESERVE_BYTES
from xapp.backend.sizing import RESERVE_BYTES
from xapp.client import Client

pytestmark = pytest.mark.timeout(600)
PORT = 50052
MB = 1 << 20
_BACK_WITHIN_S = 180
_LAYERS = 10
# Ten layers at each place. No place has room for the layers of another: both helpers are needed.
_VALUES = (
    *("kind=Deployment", "rpc.helpers=2", r"settings.rpc_split=10\,10\,10", "settings.kv_cells=2048"),
    f"settings.memory_limit_mb={RESERVE_BYTES // MB + 100}",
    f"rpc.memoryMb={HOST_RESERVE_BYTES // MB + 60}",
    *("resources.requests.cpu=50m", "rpc.resources.requests.cpu=50m", "rpc.resources.requests.memory=128Mi"),
)


@pytest.fixture(scope="module")
def sharded(namespace: str) -> Iterator[Release]:
    release = Release("sharded", namespace, kind="deployment")
    release.install(*_VALUES)
    try:
        yield release
    finally:
        release.uninstall()


@pytest.fixture(scope="module")
def neighbour(sharded: Release) -> Iterator[Peer]:
    yield from started(Peer(sharded.namespace, "neighbour-of-helpers"))


def helper(release: Release, number: int) -> str:
    """The name of its pod."""
    return f"{release.namespace}-{release.name}-helper-{number}"


def host(release: Release, number: int) -> str:
    """Its name in the cluster's DNS, as the chart tells the server."""
    return f"{helper(release, number)}.{release.service}-rpc.{release.namespace}.svc"


def answers(release: Release) -> bool:
    try:
        return bool(release.ask().strip())
    except CommandError:
        return False


async def shards(release: Release) -> list[tuple[str, int]]:
    """The place and the number of its layers, for each place of the model."""
    async with Client(release.address("grpc")) as client:
        (model,) = await client.list_models(deadline_s=60)
    return [(shard.host, shard.num_layers) for shard in model.shards]


async def test_the_layers_are_at_the_helpers_and_it_answers(sharded: Release) -> None:
    hosts = ["", *(f"{host(sharded, number)}:{PORT}" for number in range(2))]
    assert await shards(sharded) == [(name, _LAYERS) for name in hosts]
    assert sharded.ask().strip()


def test_the_server_alone_reaches_a_helper(sharded: Release, neighbour: Peer) -> None:
    """A helper believes whoever reaches it."""
    server = sharded.address("grpc").partition(":")[0]
    assert soon(lambda: neighbour.reaches(server, 50051))
    assert soon(lambda: not neighbour.reaches(f"{host(sharded, 0)}.cluster.local", PORT))


async def test_a_helper_that_is_deleted_comes_back_and_is_used_again(sharded: Release) -> None:
    """Its name stays, its address is another."""
    before = await shards(sharded)
    kubectl("delete", "pod", helper(sharded, 1), f"--namespace={sharded.namespace}", "--wait=true")
    assert soon(lambda: answers(sharded), _BACK_WITHIN_S)
    assert await shards(sharded) == before
