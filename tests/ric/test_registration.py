"""Registration as the application manager really does it, and what becomes of it when something is wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.ric.stand_ins import CLOSE, HANG, AppManager, StandIn, impatient, no_wait
from xapp.errors import ConfigError
from xapp.ric.platform import Platform
from xapp.ric.registration import Registrant, Registration


class Node(StandIn):
    """The HTTP port of the xApp, and its sidecar's RMR port at once."""

    async def accept(self, request: web.Request) -> web.StreamResponse:
        return web.json_response([{"metadata": {"xappName": "genai"}}])


def registrant(http: str, rmr: str) -> Registrant:
    return Registrant("genai", "pod-1", "0.1.0", http.removeprefix("http://"), rmr.removeprefix("http://"))


@asynccontextmanager
async def made() -> AsyncIterator[tuple[AppManager, Node, Registration]]:
    async with AppManager().serving() as manager, Node().serving() as node, impatient() as platform:
        who = registrant(node.url, node.url)
        yield manager, node, Registration(platform, manager.url, who, no_wait())


async def test_registered_and_deregistered() -> None:
    async with made() as (manager, node, registration):
        await registration.run()
        assert registration.registered
        assert manager.registered["genai"] == {
            "appName": "pod-1",
            "appInstanceName": "genai",
            "appVersion": "0.1.0",
            "configPath": "/ric/v1/config",
            "httpEndpoint": node.url.removeprefix("http://"),
            "rmrEndpoint": node.url.removeprefix("http://"),
        }
        assert manager.configs == [[{"metadata": {"xappName": "genai"}}]]
        await registration.leave()
        assert not registration.registered
    assert manager.registered == {}
    assert manager.asked[-1] == (
        "POST",
        "/ric/v1/deregister",
        {"appName": "pod-1", "appInstanceName": "genai"},
    )


@pytest.mark.parametrize("fault", [200, 202, 302, 404, 500, 503, HANG, CLOSE], ids=str)
async def test_tried_until_it_is_registered(fault: int | str, caplog: pytest.LogCaptureFixture) -> None:
    async with made() as (manager, _, registration):
        manager.fault = fault
        running = asyncio.create_task(registration.run())
        await manager.until(lambda: len(manager.asked) >= 3)
        assert not registration.registered
        manager.fault = None
        await running
        assert registration.registered
    assert len([record for record in caplog.records if "tried again" in record.message]) == 1


async def test_a_manager_that_is_down_for_an_hour_is_asked_seldom(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    async with made() as (manager, node, _):
        manager.fault = 503

        async def jump(seconds: float) -> None:
            waited.append(seconds)
            if sum(waited) > 3600:
                manager.fault = None

        monkeypatch.setattr("xapp.ric.registration.asyncio.sleep", jump)
        async with impatient() as platform:
            registration = Registration(platform, manager.url, registrant(node.url, node.url))
            await registration.run()
        assert registration.registered
        assert len(manager.asked) == len(waited) + 1 < 130
    assert len([record for record in caplog.records if "tried again" in record.message]) == 1


async def test_nothing_is_sent_before_rmr_listens() -> None:
    async with AppManager().serving() as manager, impatient() as platform:
        async with Node().serving() as node:
            http = rmr = node.url
        # The node is gone, and its port is free.
        registration = Registration(platform, manager.url, registrant(http, rmr), no_wait())
        running = asyncio.create_task(registration.run())
        for _ in range(20):
            await asyncio.sleep(0)
        assert manager.asked == []
        async with Node().serving(int(rmr.rpartition(":")[2])):
            await running
        assert registration.registered


async def test_who_was_never_sent_is_not_deregistered() -> None:
    async with made() as (manager, _, registration):
        await registration.leave()
    assert manager.asked == []


@pytest.mark.parametrize("fault", [500, HANG])
async def test_what_may_have_arrived_is_deregistered(fault: int | str) -> None:
    async with made() as (manager, _, registration):
        manager.fault = fault
        running = asyncio.create_task(registration.run())
        await manager.until(lambda: manager.paths("POST") != [])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        manager.fault = None
        await registration.leave()
    assert manager.paths("POST")[-1] == "/ric/v1/deregister"


@pytest.mark.parametrize("fault", [200, 500, HANG, CLOSE], ids=str)
async def test_a_deregistration_that_fails_is_tried_once(
    fault: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    async with made() as (manager, _, registration):
        await registration.run()
        manager.fault = fault
        await registration.leave()
    assert manager.paths("POST") == ["/ric/v1/register", "/ric/v1/deregister"]
    assert "not deregistered" in caplog.text


@pytest.mark.parametrize(("http", "rmr"), [("host:8080", "host"), ("host", "host:4560"), ("host:8080", "")])
def test_an_endpoint_without_a_port_stops_the_start(http: str, rmr: str) -> None:
    with pytest.raises(ConfigError, match=r"XAPP_RIC_(RMR|HTTP)_ENDPOINT"):
        Registration(Platform(), "http://appmgr", registrant(http, rmr))
