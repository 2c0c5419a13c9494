"""Nodes that come and go behind a name, as a client that keeps its channel sees them."""

import asyncio
import socketserver
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from perf.process_under_test import free_port
from tests.cluster.dns import answer, parse
from tests.flat_settings import flat_settings
from tests.server.conftest import running
from tests.server.fake_service import FakeService, Script, endless, hello
from xapp.client import Client
from xapp.domain.answers import Event
from xapp.domain.requests import Request

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
WITHIN_S = 60.0


@contextmanager
def names(addresses: list[str]) -> Iterator[str]:
    """The address of a DNS that has these addresses for every name; they may change."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            packet, sock = self.request
            sock.sendto(answer(packet, parse(packet), list(addresses)), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def two_nodes(port: int) -> AsyncIterator[tuple[FakeService, FakeService]]:
    """On two addresses of this machine, as two pods have the same port."""
    first, second = FakeService(), FakeService()
    async with AsyncExitStack() as held:
        for host, service in ((FIRST, first), (SECOND, second)):
            settings = flat_settings(host=host, grpc_port=port, http_port=0, max_connection_age_s=1.0)
            await held.enter_async_context(running(service, settings))
        yield first, second


async def ask_until_all_go_to(client: Client, *wanted: FakeService, of: tuple[FakeService, ...]) -> None:
    """Fails with the first call that fails."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            for service in of:
                service.requests.clear()
            for _ in range(20):
                assert [text async for text in client.stream_text("x", deadline_s=20)] == ["Hel", "lo"]
            if [service for service in of if service.requests] == list(wanted):
                return
            await asyncio.sleep(0.05)


def long_or_short(pause: asyncio.Event) -> Script:
    """`long` goes on once the pause is over."""

    def script(request: Request) -> AsyncGenerator[Event, None]:
        return endless("on", pause)(request) if request.prompt == "long" else hello(request)

    return script


async def test_a_node_that_is_added_has_calls_and_a_removed_one_has_none() -> None:
    addresses, port, pause = [FIRST], free_port(), asyncio.Event()
    with names(addresses) as dns:
        async with two_nodes(port) as nodes, Client(f"dns://{dns}/pods.example:{port}") as client:
            first, second = nodes
            first.script = long_or_short(pause)
            stream = client.stream_text("long", deadline_s=WITHIN_S)
            assert await anext(stream) == "on"
            await ask_until_all_go_to(client, first, of=nodes)
            addresses.append(SECOND)
            await ask_until_all_go_to(client, first, second, of=nodes)
            addresses.remove(FIRST)
            await ask_until_all_go_to(client, second, of=nodes)
            # Its connection was to end long ago, and its node is no longer named.
            pause.set()
            assert await anext(stream) == "on"
            await stream.aclose()
