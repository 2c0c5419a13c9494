"""How hosts are written, and that no proxy stands between a machine and itself."""

import socket
from collections.abc import Iterator

import pytest

from tests.live import LiveServer
from xapp.client import Client, ClientError, Retry
from xapp.config import load_settings
from xapp.hosts import (
    bare,
    channel_options,
    host_of,
    host_port,
    is_loopback,
    loopback_of,
    proxy_of,
    spare_loopback,
)

LOOPBACK = [
    "127.0.0.1:1",
    "127.9.9.9:1",
    "localhost:1",
    "LOCALHOST:1",
    "[::1]:1",
    "dns:///localhost:1",
    "ipv6:[::1]:1",
    "ipv4:127.0.0.1:1",
    "dns:127.0.0.1:1",
    "unix:/tmp/x",
    "unix:///tmp/x",
]
ELSEWHERE = ["10.0.0.1:1", "node:1", "[2001:db8::1]:1", "dns:///node:1", "localhost.example:1", "node"]


@pytest.mark.parametrize("target", LOOPBACK)
def test_loopback_needs_no_proxy(target: str) -> None:
    assert ("grpc.enable_http_proxy", 0) in channel_options(target)
    assert proxy_of(target, {"http_proxy": "http://proxy:3128"}) == ""


@pytest.mark.parametrize("target", ELSEWHERE)
def test_other_machines_may(target: str) -> None:
    assert channel_options(target) == ()
    assert proxy_of(target, {"http_proxy": "http://me:secret@proxy:3128/"}) == "proxy:3128"
    assert proxy_of(target, {}) == ""
    assert proxy_of(target, {"http_proxy": "proxy:1", "no_proxy": f"a,{host_of(target)}"}) == ""


def test_hosts() -> None:
    assert [bare("[::1]"), bare("::1"), bare("node")] == ["::1", "::1", "node"]
    assert [host_port("::1", 2), host_port("node", 2)] == ["[::1]:2", "node:2"]
    assert [loopback_of(host) for host in ("0.0.0.0", "::", "10.0.0.1", "node")] == [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "node",
    ]
    assert not is_loopback("")


def test_the_command_line_spares_loopback_for_all_that_it_starts() -> None:
    environ = {"http_proxy": "http://proxy:1", "no_proxy": "inside.example"}
    spare_loopback(environ)
    assert environ["no_proxy"] == "inside.example,127.0.0.1,localhost,::1"
    spare_loopback(without := {"PATH": "/bin"})
    assert without == {"PATH": "/bin"}


@pytest.mark.parametrize("host", ["[::1]", "::1"])
def test_the_setting_takes_both_ways(host: str) -> None:
    assert load_settings({"XAPP_HOST": host}).server.host == "::1"
    assert load_settings({}, {"host": host}).server.host == "::1"


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The environment names a proxy where nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = f"127.0.0.1:{nobody.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        yield proxy


async def test_the_error_names_the_proxy(dead_proxy: str) -> None:
    async with Client("192.0.2.1:50051", retry=Retry(attempts=1)) as client:
        with pytest.raises(ClientError, match=f"proxy {dead_proxy}; no_proxy=192.0.2.1"):
            await client.list_models(deadline_s=20)


@pytest.mark.slow
@pytest.mark.usefixtures("dead_proxy")
async def test_a_client_on_the_same_machine_goes_past_the_proxy(live_server: LiveServer) -> None:
    async with Client(live_server.target) as client:
        await client.list_models(deadline_s=20)
