"""Asking a component: every way in which it may fail is one error, within a bounded time and memory."""

import pytest
from aiohttp import web

from tests.ric.stand_ins import CLOSE, HANG, StandIn, impatient
from xapp.errors import ConfigError
from xapp.ric.platform import MAX_ANSWER_BYTES, PlatformError, base_url, checked_endpoint


class Endless(StandIn):
    async def accept(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * (MAX_ANSWER_BYTES + 1))


class Zipped(StandIn):
    async def accept(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8bnot unpacked", headers={"Content-Encoding": "gzip"})


async def test_an_answer() -> None:
    async with StandIn().serving() as peer, impatient() as platform:
        reply = await platform.ask("POST", peer.url + "/a", {"b": 1})
    assert reply.expect(200) is reply
    assert peer.asked == [("POST", "/a", {"b": 1})]


@pytest.mark.parametrize(
    ("fault", "why"), [(HANG, "did not answer within"), (CLOSE, "cannot be asked")], ids=str
)
async def test_no_answer(fault: str, why: str) -> None:
    async with StandIn().serving() as peer, impatient() as platform:
        peer.fault = fault
        with pytest.raises(PlatformError, match=why):
            await platform.ask("GET", peer.url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid", "nonsense"])
async def test_nobody_there(url: str) -> None:
    async with impatient() as platform:
        with pytest.raises(PlatformError):
            await platform.ask("GET", url)


@pytest.mark.parametrize("status", [200, 302, 404, 500])
async def test_another_status_than_the_expected_one_is_a_failure(status: int) -> None:
    async with StandIn().serving() as peer, impatient() as platform:
        peer.fault = status
        reply = await platform.ask("GET", peer.url + "/x")
        with pytest.raises(PlatformError, match=f"answered {status} in place of 201 or 204: <html>"):
            reply.expect(201, 204)
    assert len(peer.asked) == 1, "no redirection is followed"


async def test_an_answer_is_bounded_and_not_unpacked() -> None:
    async with Endless().serving() as peer, impatient() as platform:
        with pytest.raises(PlatformError, match="more than"):
            await platform.ask("GET", peer.url)
    async with Zipped().serving() as peer, impatient() as platform:
        assert (await platform.ask("GET", peer.url)).body == b"\x1f\x8bnot unpacked"


async def test_what_is_not_json() -> None:
    async with StandIn().serving() as peer, impatient() as platform:
        peer.fault = 200
        with pytest.raises(PlatformError, match="not JSON"):
            (await platform.ask("GET", peer.url)).json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host:80",
        "ftp://host",
        "http://",
        "http://host:x",
        "http://u:p@host",
        "http://host/?q",
        "http://[::1",
    ],
)
def test_a_url_that_is_none_names_its_key(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^XAPP_K: "):
        base_url("XAPP_K", text)


def test_a_url_loses_its_last_slash() -> None:
    assert base_url("K", "http://host:8080/") == "http://host:8080"


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:70000", "host:-1", "host:²"])
def test_an_endpoint_needs_its_port(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^XAPP_K: "):
        checked_endpoint("XAPP_K", text)


def test_endpoints() -> None:
    assert checked_endpoint("K", "service-x.ricxapp:4560") == ("service-x.ricxapp", 4560)
    assert checked_endpoint("K", "[::1]:4560") == ("::1", 4560)
