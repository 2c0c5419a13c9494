"""Components of a near-RT RIC as they really behave over HTTP, and as they behave when something is wrong."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import aiohttp
from aiohttp import web

from xapp.ric.backoff import Backoff
from xapp.ric.platform import Platform

HANG, CLOSE = "hang", "close"


class StandIn:
    """A server on a free port. `fault` spoils every request while it is set: a status, HANG or CLOSE.

    `asked` are method, path and JSON body of every request that came.
    """

    def __init__(self) -> None:
        self.fault: int | str | None = None
        self.asked: list[tuple[str, str, Any]] = []
        self.url = ""
        self._happened = asyncio.Event()
        self._let_go = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self.accept)]

    async def accept(self, request: web.Request) -> web.StreamResponse:
        return web.json_response([])

    @web.middleware
    async def _spoil(self, request: web.Request, handler: Any) -> web.StreamResponse:
        body = await request.read()
        self.asked.append((request.method, request.path_qs, json.loads(body) if body else None))
        self._happened.set()
        try:
            if self.fault == HANG:
                await self._let_go.wait()
            if self.fault == CLOSE:
                assert request.transport is not None
                request.transport.close()
            if isinstance(self.fault, int):
                headers = {"Location": "/elsewhere"} if self.fault in {301, 302, 307} else {}
                return web.Response(status=self.fault, text="<html>no</html>", headers=headers)
            response: web.StreamResponse = await handler(request)
            return response
        finally:
            self._happened.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns once it holds after a request."""
        while not condition():
            self._happened.clear()
            await self._happened.wait()

    def paths(self, method: str) -> list[str]:
        return [path for asked, path, _ in self.asked if asked == method]

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Self]:
        app = web.Application(middlewares=[self._spoil])
        app.add_routes(self.routes())
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            self._let_go.set()
            await runner.cleanup()


class AppManager(StandIn):
    """Fetches the configuration before it answers 201; panics at an endpoint without a colon."""

    def __init__(self) -> None:
        super().__init__()
        self.registered: dict[str, dict[str, str]] = {}
        self.configs: list[Any] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/ric/v1/register", self._register),
            web.post("/ric/v1/deregister", self._deregister),
        ]

    async def _register(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if ":" not in body["rmrEndpoint"]:
            assert request.transport is not None
            request.transport.close()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{body['httpEndpoint']}{body['configPath']}") as answer,
        ):
            self.configs.append(await answer.json())
        self.registered[body["appInstanceName"]] = body
        return web.Response(status=201)

    async def _deregister(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        known = self.registered.pop(body["appInstanceName"], None)
        return web.Response(status=204 if known else 404)


class A1(StandIn):
    """The mediator's northbound side. `encoded`: instances are sent as texts with JSON in them."""

    TYPE = 21100

    def __init__(self) -> None:
        super().__init__()
        self.instances: dict[str, Any] = {}
        self.encoded = False
        self.knows_type = True
        self.broken: dict[str, bytes] = {}
        self.gone: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        base = f"/A1-P/v2/policytypes/{self.TYPE}/policies"
        return [web.get(base, self._list), web.get(base + "/{name}", self._get)]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if not self.knows_type:
            return web.Response(status=404)
        return web.json_response([*self.instances, *self.broken])

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name in self.gone:
            return web.Response(status=404)
        if name in self.broken:
            return web.Response(body=self.broken[name])
        payload = self.instances[name]
        return web.json_response(json.dumps(payload) if self.encoded else payload)


class AlarmManager(StandIn):
    """Drops alarms that nobody defined, and says nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self.defined: set[int] = set()
        self.active: set[tuple[int, str]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/ric/v1/alarms/define", self._define),
            web.post("/ric/v1/alarms", self._raise),
            web.delete("/ric/v1/alarms", self._clear),
        ]

    def start_anew(self) -> None:
        """Everything is forgotten."""
        self.defined.clear()
        self.active.clear()

    async def _define(self, request: web.Request) -> web.StreamResponse:
        self.defined |= {each["alarmId"] for each in (await request.json())["alarmdefinitions"]}
        return web.Response(status=200)

    async def _raise(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["specificProblem"] in self.defined:
            self.active.add((body["specificProblem"], body["identifyingInfo"]))
        return web.Response(status=200)

    async def _clear(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.active.discard((body["specificProblem"], body["identifyingInfo"]))
        return web.Response(status=200)


def no_wait() -> Backoff:
    """Tries again at once."""
    return Backoff(jitter=lambda *_: 0.0)


def impatient() -> Platform:
    """Waits for an answer as long as a test can."""
    return Platform(timeout_s=0.2)
