"""The server that a command starts for itself, on a machine whose node runs already."""

import asyncio
import socket
from pathlib import Path

import pytest

from xapp.cli.own_server import OwnServer, own_server
from xapp.client import Client

pytestmark = pytest.mark.slow


async def asked(server: OwnServer) -> str:
    async with Client(server.target) as client:
        await server.until_serving(client)
        return "".join([text async for text in client.stream_text("hi", max_tokens=3)])


def test_it_answers_beside_a_node_with_credentials_and_ports_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.gguf").touch()
    (tmp_path / "tokens.toml").write_text(f'planner = ["sha256:{0:064}"]\n')
    monkeypatch.setenv("XAPP_TOKENS_FILE", str(tmp_path / "tokens.toml"))
    with socket.create_server(("127.0.0.1", 0)) as node:
        monkeypatch.setenv("XAPP_OPENAI_PORT", str(node.getsockname()[1]))
        settings = {"XAPP_BACKEND": "fake", "XAPP_DEADLINE_ADMISSION": "false"}
        with own_server(str(tmp_path / "model.gguf"), settings, quick=True) as server:
            assert asyncio.run(asked(server))
            server.stop()
