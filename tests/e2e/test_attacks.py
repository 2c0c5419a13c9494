"""Every attack of the table, one after the other on one node: it lives, answers, and keeps its size."""

import resource
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from perf.process_under_test import free_port
from tests.attacks import flood
from tests.attacks.child import ATTACKS
from tests.attacks.probe import Attacker, attacker, page_status, place_of, resident
from tests.e2e.caller import SERVING, calling
from tests.live import LiveServer, serving
from tests.scale import sized
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SECONDS, SETTLE_S = sized((0.2, 0.1), (2.0, 0.5))
"""`make attacks` attacks for longer."""
MOST_BYTES = 200 * 2**20
BEYOND = frozenset(("rapid_reset", "large_messages"))
"""gRPC keeps what is reset before anybody has looked at it, and can let other calls go. Large messages that
arrive at once may take more: docs/security.md. Both come last, so that what they leave is not counted twice.
"""
IN_ORDER = sorted(ATTACKS, key=lambda name: name in BEYOND)


@pytest.fixture(scope="module")
def server(shallow_model_path: Path) -> Iterator[LiveServer]:
    """With room for thousands of sockets, which it inherits."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    with serving({"XAPP_MODEL": str(shallow_model_path), "XAPP_OPENAI_PORT": str(free_port())}) as server:
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(server: LiveServer) -> AsyncIterator[Attacker]:
    """It knows how much memory the server takes before the first attack."""
    await flood.warm_up(server)
    async with attacker(server, resident(server)) as process:
        yield process


@pytest.mark.parametrize("name", IN_ORDER)
async def test_an_attack_harms_nobody_else(server: LiveServer, process: Attacker, name: str) -> None:
    seen = await process.attack(name, SECONDS, SETTLE_S)
    assert seen.alive
    assert seen.answers_s
    # A listener that has ended is served again; until then calls fail.
    assert name in {"strange_path", "rapid_reset"} or not seen.failed
    assert name in BEYOND or seen.memory_bytes < MOST_BYTES
    assert await page_status(place_of(server)) == b"200"
    async with calling(server) as caller:
        assert await caller.check() == SERVING
        assert await caller.text(pb.GenerateRequest(prompt="1, 2, 3,", max_tokens=4, ignore_eos=True))
