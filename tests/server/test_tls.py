"""A real gRPC server with certificates: who gets in, and a new certificate while streams run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.certificates import Authority, Pair
from tests.server.conftest import settings
from tests.server.fake_service import FakeHost, FakeService, endless
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc
from xapp.security.security import Security
from xapp.server.credentials import server_credentials
from xapp.server.listener import Listener
from xapp.server.self_call import SelfCall
from xapp.server.server import serve_grpc
from xapp.telemetry.metrics import Metrics

OWN_POOL = (("grpc.use_local_subchannel_pool", 1),)
NUM_ROTATIONS = 100
PATIENCE_S = 20.0


@dataclass
class TlsNode:
    service: FakeService
    security: Security
    port: int
    self_call: SelfCall

    async def rotated(self) -> None:
        certificates = self.security.certificates
        assert certificates is not None
        before = certificates.value
        await certificates.check()
        assert certificates.value is not before

    @contextlib.asynccontextmanager
    async def channel(
        self, authority: Authority | None, pair: Pair | None = None, host: str = "localhost"
    ) -> AsyncIterator[grpc.aio.Channel]:
        target = f"{host}:{self.port}"
        if authority is None:
            channel = grpc.aio.insecure_channel(target, options=OWN_POOL)
        else:
            credentials = grpc.ssl_channel_credentials(
                authority.cert.read_bytes(),
                pair.key.read_bytes() if pair else None,
                pair.cert.read_bytes() if pair else None,
            )
            channel = grpc.aio.secure_channel(target, credentials, options=OWN_POOL)
        async with channel:
            yield channel

    async def check(self, authority: Authority | None, pair: Pair | None = None) -> int:
        async with self.channel(authority, pair) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
            return int(answer.status)

    async def refused(self, authority: Authority | None, pair: Pair | None = None) -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.check(authority, pair)
        return caught.value.code()


@contextlib.asynccontextmanager
async def tls_node(pair: Pair, client_ca: Path | None = None) -> AsyncIterator[TlsNode]:
    configured = settings(
        tls_cert=str(pair.cert), tls_key=str(pair.key), tls_client_ca=str(client_ca) if client_ca else ""
    )
    service, security = FakeService(), Security(configured)
    async with serve_grpc(service, configured, Metrics(), FakeHost(), security=security) as server:
        yield TlsNode(service, security, server.port, server.self_call)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


async def test_tls(authority: Authority, stranger: Authority) -> None:
    async with tls_node(authority.sign("node")) as node:
        assert await node.check(authority) == 1
        assert await node.refused(stranger) is grpc.StatusCode.UNAVAILABLE
        assert await node.refused(None) is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_for_another_name_is_refused_by_the_client(authority: Authority) -> None:
    async with tls_node(authority.sign("elsewhere", "DNS:elsewhere")) as node:
        assert await node.refused(authority) is grpc.StatusCode.UNAVAILABLE


async def test_mutual_tls(authority: Authority, stranger: Authority) -> None:
    async with tls_node(authority.sign("node"), authority.cert) as node:
        assert await node.check(authority, authority.sign("planner")) == 1
        assert await node.refused(authority) is grpc.StatusCode.UNAVAILABLE
        assert await node.refused(authority, stranger.sign("planner")) is grpc.StatusCode.UNAVAILABLE
        for wrong in (authority.outdated("planner"), authority.of_tomorrow("planner")):
            assert await node.refused(authority, wrong) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("when", ["outdated", "of_tomorrow"])
async def test_a_client_refuses_a_node_out_of_its_time(authority: Authority, when: str) -> None:
    """The node serves all the same: the clock of its board may be wrong, until it is set."""
    async with tls_node(getattr(authority, when)(when)) as node:
        assert await node.refused(authority) is grpc.StatusCode.UNAVAILABLE
        await node.self_call.check()
        assert node.self_call.answers


async def test_the_name_in_the_certificate_is_the_client(authority: Authority) -> None:
    async with tls_node(authority.sign("node"), authority.cert) as node:
        async with node.channel(authority, authority.sign("planner")) as channel:
            stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
            call = stub.Generate(pb.GenerateRequest(prompt="hi"), metadata=(("x-client-id", "other"),))
            assert [event async for event in call][-1].HasField("finished")
        assert node.service.requests[-1].client == "planner"


async def test_the_node_asks_itself_without_a_certificate(authority: Authority) -> None:
    async with tls_node(authority.sign("node"), authority.cert) as node:
        await node.self_call.check()
        assert node.self_call.answers
        assert not node.self_call.is_dead


async def test_a_stream_outlives_rotations(tmp_path: Path) -> None:
    """Each new connection meets the newest certificate; the stream keeps the one that it began with."""
    authority = Authority(tmp_path)
    pair = authority.sign("node")
    async with tls_node(pair) as node:
        node.service.script = endless("a")
        async with node.channel(authority) as channel:
            stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
            call = stub.Generate(pb.GenerateRequest(prompt="hi"))
            assert (await call.read()).HasField("started")
            for _ in range(NUM_ROTATIONS):
                authority.sign("node")
                await node.rotated()
                assert await node.check(authority) == 1
                assert (await call.read()).HasField("chunk")
            call.cancel()


async def test_a_new_authority_counts_for_new_connections(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.cert.read_bytes())
    async with tls_node(authority.sign("node"), trusted) as node:
        assert await node.refused(authority, stranger.sign("planner")) is grpc.StatusCode.UNAVAILABLE
        trusted.write_bytes(stranger.cert.read_bytes() + b"\n")
        await node.rotated()
        assert await node.check(authority, stranger.sign("planner")) == 1
        assert await node.refused(authority, authority.sign("planner")) is grpc.StatusCode.UNAVAILABLE


async def test_a_listener_with_tls_is_served_again(authority: Authority) -> None:
    """On both of its sockets: the port, and the one that the node asks itself on."""
    pair = authority.sign("node")
    security = Security(settings(tls_cert=str(pair.cert), tls_key=str(pair.key)))
    assert security.certificates is not None
    made: list[grpc.aio.Server] = []

    def make() -> grpc.aio.Server:
        made.append(grpc.aio.server(options=[("grpc.so_reuseport", 0)]))
        return made[-1]

    listener = Listener(
        make, settings().server, 60.0, lambda: None, partial(server_credentials, security.certificates)
    )
    await listener.start()
    watching = asyncio.create_task(listener.watch())
    node = TlsNode(FakeService(), security, listener.port, listener.self_call)
    try:
        await made[0].stop(None)
        async with asyncio.timeout(PATIENCE_S):
            # Nothing is served there: a status from the server itself, once it is reached.
            while await node.refused(authority) is not grpc.StatusCode.UNIMPLEMENTED:
                pass
        await listener.self_call.check()
        assert listener.self_call.answers
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await listener.stop(0)
