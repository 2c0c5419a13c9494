"""A real server with certificates: rotation under streams, strangers at the port, settings that are wrong."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.certificates import Authority, Pair
from tests.e2e.caller import ENDLESS_FAKE, until
from tests.live import LiveServer, serving
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc

pytestmark = pytest.mark.slow

NUM_STRANGERS = 50
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def node(authority: Authority) -> Iterator[LiveServer]:
    pair = authority.sign("node")
    files = {"XAPP_TLS_CERT": str(pair.cert), "XAPP_TLS_KEY": str(pair.key)}
    with serving({**ENDLESS_FAKE, **files, "XAPP_TLS_CLIENT_CA": str(authority.cert)}) as server:
        yield server


def stub(node: LiveServer, authority: Authority, pair: Pair) -> tuple[Any, grpc.aio.Channel]:
    credentials = grpc.ssl_channel_credentials(
        authority.cert.read_bytes(), pair.key.read_bytes(), pair.cert.read_bytes()
    )
    channel = grpc.aio.secure_channel(node.target, credentials)
    return inference_pb2_grpc.InferenceServiceStub(channel), channel


async def test_strangers_write_nothing_into_the_log(node: LiveServer) -> None:
    host, port = node.target.split(":")
    for _ in range(NUM_STRANGERS):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            await reader.read()
        writer.close()
    assert all("ts" in record for record in node.records())


async def test_a_certificate_is_rotated_under_a_stream(node: LiveServer, authority: Authority) -> None:
    inference, channel = stub(node, authority, authority.sign("planner"))
    async with channel:
        call = inference.Generate(pb.GenerateRequest(prompt="hi", max_tokens=10_000, ignore_eos=True))
        assert (await call.read()).HasField("started")
        pair = authority.sign("node")
        new = ssl.PEM_cert_to_DER_cert(pair.cert.read_text())

        async def is_served() -> bool:
            return await asyncio.to_thread(_certificate, node.target, authority) == new

        await until(is_served)
        node.wait_for("certificate read again")
        assert (await call.read()).HasField("chunk")
        call.cancel()


def _certificate(target: str, authority: Authority) -> bytes | None:
    """What a new connection is shown."""
    host, port = target.split(":")
    context = ssl.create_default_context(cafile=authority.cert)
    with (
        socket.create_connection((host, int(port)), PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.getpeercert(binary_form=True)


async def test_the_log_says_who_asked(node: LiveServer, authority: Authority) -> None:
    inference, channel = stub(node, authority, authority.sign("planner"))
    async with channel:
        call = inference.Generate(pb.GenerateRequest(prompt="hi", max_tokens=4))
        assert [event async for event in call][-1].HasField("finished")
    record = await asyncio.to_thread(node.wait_for, "request")
    assert record["principal"] == "planner"


@pytest.mark.parametrize("key", ["XAPP_TLS_CERT", "XAPP_TLS_CLIENT_CA"])
def test_a_bad_file_stops_the_start(authority: Authority, tmp_path: Path, key: str) -> None:
    pair, bad = authority.sign("another"), tmp_path / "bad.pem"
    bad.write_text("no certificate")
    files = {"XAPP_TLS_CERT": str(pair.cert), "XAPP_TLS_KEY": str(pair.key), key: str(bad)}
    environ = {**os.environ, **ENDLESS_FAKE, "XAPP_HOST": "127.0.0.1", **files}
    command = [sys.executable, "-m", "xapp.cli", "serve", "--grpc-port", "0", "--http-port", "0"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"genai-xapp: {key}: {bad}")
