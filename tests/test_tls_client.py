"""The Python client at a node that wants TLS, a certificate and a token."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.server.conftest import settings
from tests.server.fake_service import MODEL, FakeHost, FakeService
from xapp.client import Client, ClientError, Retry
from xapp.security.security import Security
from xapp.security.tokens import hash_of
from xapp.server.server import serve_grpc
from xapp.telemetry.metrics import Metrics
from xapp.tls import credentials

ONCE = Retry(attempts=1)
TOKEN = "the-planners"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextlib.asynccontextmanager
async def serving(authority: Authority, **values: object) -> AsyncIterator[tuple[str, FakeService]]:
    pair = authority.sign("node")
    configured = settings(tls_cert=str(pair.cert), tls_key=str(pair.key), **values)
    service = FakeService()
    async with serve_grpc(
        service, configured, Metrics(), FakeHost(), security=Security(configured)
    ) as server:
        yield f"localhost:{server.port}", service


async def test_tls_and_a_token(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(f'planner = ["{hash_of(TOKEN)}"]\n')
    async with serving(authority, tokens_file=str(file), open="none") as (target, service):
        trusted = credentials(authority.cert)
        async with Client(target, credentials=trusted, token=TOKEN, retry=ONCE) as client:
            await client.wait_until_serving(10)
            assert "".join([text async for text in client.stream_text("hi")]) == "Hello"
            assert service.requests[-1].client == "planner"
            assert MODEL in {model.name for model in await client.list_models()}
            assert len([sample async for sample in client.metrics(count=1)]) == 1
        async with Client(target, credentials=trusted, token="wrong", retry=ONCE) as client:
            with pytest.raises(ClientError) as caught:
                await client.list_models()
        assert (caught.value.code, caught.value.reason) == ("UNAUTHENTICATED", "BAD_TOKEN")


async def test_mutual_tls(authority: Authority) -> None:
    pair = authority.sign("planner")
    async with serving(authority, tls_client_ca=str(authority.cert)) as (target, _):
        shown = credentials(authority.cert, pair.cert, pair.key)
        async with Client(target, credentials=shown, retry=ONCE) as client:
            assert await client.list_models()
        async with Client(target, credentials=credentials(authority.cert), retry=ONCE) as client:
            with pytest.raises(ClientError) as caught:
                await client.list_models()
        assert caught.value.code == "UNAVAILABLE"


async def test_plain_text_to_a_node_with_tls_is_explained(authority: Authority) -> None:
    async with serving(authority) as (target, _), Client(target, retry=ONCE) as client:
        with pytest.raises(ClientError, match="a node with TLS needs credentials"):
            await client.list_models()


def test_half_a_pair(authority: Authority) -> None:
    with pytest.raises(ValueError, match="needs its key"):
        credentials(authority.cert, cert=authority.cert)
