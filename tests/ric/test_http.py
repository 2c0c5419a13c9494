import asyncio
import contextlib
import io
import json
import socket
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.flat_settings import flat_settings
from tests.server.conftest import settings
from tests.server.fake_service import MODEL, FakeHost, FakeService
from xapp.config import Settings
from xapp.domain.service import Service
from xapp.errors import ConfigError
from xapp.ric.http import RicHandlers, serve_http
from xapp.ric.link import RicLink
from xapp.ric.node_values import read_values
from xapp.telemetry.host import HostReader
from xapp.telemetry.metrics import Metrics, NodeValues


@dataclass
class FakePort:
    """The gRPC port, as the test wants it."""

    port: int = 50051
    answers: bool = True
    is_dead: bool = False

    async def check(self) -> None:
        pass


class Client:
    def __init__(
        self, session: aiohttp.ClientSession, port: int, service: FakeService, grpc: FakePort
    ) -> None:
        self._session = session
        self.port = port
        self.service = service
        self.grpc = grpc

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self._session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.read()

    async def json(self, path: str) -> tuple[int, object]:
        status, body = await self.get(path)
        return status, json.loads(body)


@contextlib.asynccontextmanager
async def serving(configured: Settings, link: RicLink | None = None) -> AsyncIterator[Client]:
    service, grpc = FakeService(), FakePort()
    async with (
        serve_http(service, configured, Metrics(), FakeHost(), grpc, link=link) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, server.port, service, grpc)


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.delenv("XAPP_DESCRIPTOR_PATH", raising=False)
    async with serving(settings()) as client:
        yield client


async def test_alive_whatever_the_service_does(client: Client) -> None:
    client.service.ready = False
    assert await client.json("/ric/v1/health/alive") == (200, {"status": "alive"})


async def test_ready_follows_the_service(client: Client) -> None:
    assert await client.json("/ric/v1/health/ready") == (200, {"status": "ready"})
    client.service.ready = False
    assert await client.json("/ric/v1/health/ready") == (503, {"status": "not ready"})


async def test_a_grpc_port_that_answers_late_is_not_ready_and_alive(client: Client) -> None:
    client.grpc.answers = False
    assert (await client.get("/ric/v1/health/ready"))[0] == 503
    assert (await client.get("/ric/v1/health/alive"))[0] == 200


async def test_a_grpc_port_that_is_gone_is_neither(client: Client) -> None:
    client.grpc.answers, client.grpc.is_dead = False, True
    assert (await client.get("/ric/v1/health/ready"))[0] == 503
    assert (await client.get("/ric/v1/health/alive"))[0] == 503


@pytest.mark.parametrize("path", ["/metrics", "/ric/v1/metrics"])
async def test_metrics(client: Client, path: str) -> None:
    status, body = await client.get(path)
    lines = body.decode().splitlines()
    assert status == 200
    assert "ricxapp_genai_ready 1.0" in lines
    assert f'ricxapp_genai_running{{model="{MODEL}"}} 1.0' in lines
    assert f'ricxapp_genai_kv_cells{{model="{MODEL}"}} 40.0' in lines
    assert f'ricxapp_genai_worker_restarts_total{{model="{MODEL}"}} 2.0' in lines
    assert f'ricxapp_genai_worker_proportional_memory_bytes{{model="{MODEL}"}} 200.0' in lines
    assert f'ricxapp_genai_text_proportional_memory_bytes{{model="{MODEL}"}} 200.0' in lines
    assert f'ricxapp_genai_text_restarts_total{{model="{MODEL}"}} 3.0' in lines
    assert f'ricxapp_genai_length_prediction_cpu_seconds_total{{model="{MODEL}"}} 0.5' in lines
    assert f'ricxapp_genai_decode_tokens_total{{model="{MODEL}"}} 700.0' in lines
    names = {line.split("{")[0].split(" ")[0] for line in lines if line and not line.startswith("#")}
    assert all(name.startswith("ricxapp_genai_") for name in names)


async def test_many_readers_of_metrics_share_a_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page holds the event loop for milliseconds, and strangers may ask for hundreds at once."""
    num_pages = num_readers = 0
    real, ask, all_are_there = read_values, RicHandlers._exposition, asyncio.Event()

    async def slow(service: Service, host: HostReader) -> NodeValues:
        nonlocal num_pages
        num_pages += 1
        await all_are_there.wait()
        return await real(service, host)

    async def counted(handlers: RicHandlers) -> bytes:
        nonlocal num_readers
        num_readers += 1
        if num_readers == 20:
            all_are_there.set()
        return await ask(handlers)

    monkeypatch.setattr("xapp.ric.http.read_values", slow)
    monkeypatch.setattr(RicHandlers, "_exposition", counted)
    readers = [asyncio.create_task(client.get("/metrics")) for _ in range(20)]
    assert {status for status, _ in await asyncio.gather(*readers)} == {200}
    assert num_pages == 1
    assert (await client.get("/metrics"))[0] == 200
    assert num_pages == 2


async def test_config_is_the_descriptor_as_a_string(client: Client) -> None:
    status, body = await client.json("/ric/v1/config")
    assert status == 200
    assert isinstance(body, list)
    assert body[0]["metadata"] == {"xappName": "genai-xapp", "configType": "json"}
    descriptor = json.loads(body[0]["config"])
    assert {port["name"] for port in descriptor["messaging"]["ports"]} == {"http", "grpc"}
    assert "rmr" not in descriptor


async def test_config_from_the_mounted_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config-file.json"
    file.write_text('{"xapp_name": "mine", "version": "1.2.3"}')
    monkeypatch.setenv("XAPP_DESCRIPTOR_PATH", str(tmp_path))
    async with serving(settings()) as client:
        _, body = await client.json("/ric/v1/config")
        assert body == [{"metadata": {"xappName": "mine", "configType": "json"}, "config": file.read_text()}]
        file.write_text("{broken")
        status, _ = await client.json("/ric/v1/config")
        assert status == 500


@pytest.mark.parametrize("content", [None, "{broken", "[]", b"\xff\xfe", "[" * 100_000])
async def test_a_broken_descriptor_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes | None
) -> None:
    file = tmp_path / "descriptor.json"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.setenv("XAPP_DESCRIPTOR_PATH", str(file))
    with pytest.raises(ConfigError, match="XAPP_DESCRIPTOR_PATH"):
        async with serving(settings()):
            pass


async def test_symptoms_are_a_zip_without_prompts(client: Client) -> None:
    status, body = await client.get("/ric/v1/symptomdata")
    archive = zipfile.ZipFile(io.BytesIO(body))
    assert status == 200
    assert sorted(archive.namelist()) == ["metrics.txt", "settings.json", "status.json"]
    assert json.loads(archive.read("status.json"))["models"][1]["name"] == MODEL
    assert json.loads(archive.read("status.json"))["ric"] == {}
    assert json.loads(archive.read("settings.json"))["node"]["name"] == "pi-1"
    assert b"ricxapp_genai_ready" in archive.read("metrics.txt")


async def test_other_paths_and_methods(client: Client) -> None:
    assert (await client.get("/nope"))[0] == 404
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{client.port}/ric/v1/config", data=b"x") as answer,
    ):
        assert answer.status == 405


async def test_port_in_use_names_its_key() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        configured = flat_settings(host="127.0.0.1", http_port=port)
        with pytest.raises(ConfigError, match=f"XAPP_HTTP_PORT.*{port}"):
            async with serving(configured):
                pass


MALFORMED = [
    b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/1.1\r\nHost: \xff\x1b[31m\r\n\r\n",
    b"GET /%zz\x9b HTTP/9.9\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]


@pytest.mark.parametrize("request_bytes", MALFORMED)
async def test_malformed_http_is_refused_without_a_word_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    caplog.set_level("INFO")
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(request_bytes)
    assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert caplog.records == []
    assert (await client.get("/ric/v1/health/alive"))[0] == 200
