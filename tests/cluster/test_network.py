"""The NetworkPolicy is enforced: its callers reach the pod, nobody else does, and the pod reaches nobody."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.peer import Peer
from tests.cluster.release import CommandError, Release

pytestmark = pytest.mark.timeout(300)
GRPC, HTTP = 50051, 8080
_WITHIN_S = 30
_EGRESS = "import socket, sys; socket.create_connection((sys.argv[1], 8000), timeout=2)"


@pytest.fixture(scope="module")
def neighbour(release: Release) -> Iterator[Peer]:
    yield from started(Peer(release.namespace, "neighbour"))


@pytest.fixture(scope="module")
def platform(release: Release) -> Iterator[Peer]:
    yield from started(Peer("ricplt", "platform"))


@pytest.fixture(scope="module")
def stranger(release: Release) -> Iterator[Peer]:
    yield from started(Peer("elsewhere", "stranger"))


def started(peer: Peer) -> Iterator[Peer]:
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()


def soon(is_so: Callable[[], bool], within_s: float = _WITHIN_S) -> bool:
    """Whether it is so within 30 s: the rules of a new pod come a moment after the pod."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if is_so():
            return True
    return False


def reached(peer: Peer, release: Release) -> tuple[bool, bool]:
    """By gRPC, and by HTTP, each through its Service's name."""
    grpc, http = (release.address(name).partition(":")[0] for name in ("grpc", "http"))
    return peer.reaches(grpc, GRPC), peer.reaches(http, HTTP)


def test_a_pod_of_the_namespace_is_answered(release: Release, neighbour: Peer) -> None:
    assert soon(lambda: reached(neighbour, release) == (True, True))
    said = neighbour.inside(
        *("genai-xapp", "generate", "What is O-RAN?", "--max-tokens", "8"),
        *("--target", release.address("grpc"), "--deadline", "120s"),
    )
    assert said.strip()


def test_the_platform_reads_metrics_and_asks_nothing(release: Release, platform: Peer) -> None:
    assert soon(lambda: reached(platform, release) == (False, True))


def test_a_stranger_reaches_nothing(release: Release, stranger: Peer) -> None:
    assert soon(lambda: reached(stranger, release) == (False, False))


def test_pods_themselves_reach_each_other(stranger: Peer, neighbour: Peer) -> None:
    """Otherwise the tests above would say nothing."""
    assert stranger.reaches(neighbour.address(), 8000)


def test_the_pod_reaches_nobody(release: Release, neighbour: Peer) -> None:
    with pytest.raises(CommandError, match=r"timed out|refused|unreachable|Permission denied"):
        release.inside("python", "-c", _EGRESS, neighbour.address())
