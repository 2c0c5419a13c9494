"""The HTTP port with the node's certificate, and a new one while it serves."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.certificates import Authority, Pair
from tests.ric.test_http import FakePort
from tests.server.conftest import settings
from tests.server.fake_service import FakeHost, FakeService
from xapp.ric.http import serve_http
from xapp.security.security import Security
from xapp.telemetry.metrics import Metrics

ALIVE = "/ric/v1/health/alive"


@contextlib.asynccontextmanager
async def serving(pair: Pair, **values: object) -> AsyncIterator[tuple[int, Security]]:
    configured = settings(tls_cert=str(pair.cert), tls_key=str(pair.key), **values)
    security = Security(configured)
    async with serve_http(
        FakeService(), configured, Metrics(), FakeHost(), FakePort(), security=security
    ) as server:
        yield server.port, security


async def get(url: str, authority: Authority | None = None, pair: Pair | None = None) -> int:
    context = ssl.create_default_context(cafile=authority.cert) if authority else None
    if context and pair:
        context.load_cert_chain(pair.cert, pair.key)
    connector = aiohttp.TCPConnector(ssl=context if context else True)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return answer.status


async def test_https(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path / "stranger")
    async with serving(authority.sign("node")) as (port, _):
        assert await get(f"https://localhost:{port}{ALIVE}", authority) == 200
        with pytest.raises(aiohttp.ClientSSLError):
            await get(f"https://localhost:{port}{ALIVE}", stranger)
        with pytest.raises(aiohttp.ClientError):
            await get(f"http://localhost:{port}{ALIVE}")


async def test_when_the_certificate_ends_is_a_metric(tmp_path: Path) -> None:
    async with serving(Authority(tmp_path).sign("node"), http_tls=False) as (port, security):
        url = f"http://localhost:{port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            lines = (await answer.text()).splitlines()
    assert security.certificates is not None
    ends = security.certificates.value.not_after
    (line,) = [each for each in lines if each.startswith("ricxapp_genai_certificate_not_after_seconds ")]
    assert float(line.split()[1]) == ends


async def test_plain_http_may_stay(tmp_path: Path) -> None:
    async with serving(Authority(tmp_path).sign("node"), http_tls=False) as (port, _):
        assert await get(f"http://localhost:{port}{ALIVE}") == 200


async def test_a_new_certificate_counts_for_the_next_connection(tmp_path: Path) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    pair = old.sign("node")
    async with serving(pair) as (port, security):
        assert await get(f"https://localhost:{port}{ALIVE}", old) == 200
        other = new.sign("node")
        pair.cert.write_bytes(other.cert.read_bytes())
        pair.key.write_bytes(other.key.read_bytes())
        assert security.certificates is not None
        await security.certificates.check()
        assert await get(f"https://localhost:{port}{ALIVE}", new) == 200
        with pytest.raises(aiohttp.ClientSSLError):
            await get(f"https://localhost:{port}{ALIVE}", old)


async def test_a_client_certificate_is_optional_and_verified(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path / "stranger")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.cert.read_bytes())
    async with serving(authority.sign("node"), tls_client_ca=str(trusted)) as (port, security):
        url = f"https://localhost:{port}{ALIVE}"
        assert await get(url, authority) == 200
        assert await get(url, authority, authority.sign("prometheus")) == 200
        with pytest.raises(aiohttp.ClientError):
            await get(url, authority, stranger.sign("prometheus"))
        for wrong in (authority.outdated("prometheus"), authority.of_tomorrow("prometheus")):
            with pytest.raises(aiohttp.ClientError):
                await get(url, authority, wrong)
        trusted.write_bytes(stranger.cert.read_bytes() + b"\n")
        assert security.certificates is not None
        await security.certificates.check()
        assert await get(url, authority, stranger.sign("prometheus")) == 200
        with pytest.raises(aiohttp.ClientError):
            await get(url, authority, authority.sign("prometheus"))
