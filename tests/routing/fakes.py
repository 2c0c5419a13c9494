"""A scripted upstream and a scripted node, for tests of the routing between them."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.server.fake_service import ESTIMATE, FINISHED, FakeService
from xapp.admission.quota import Charges
from xapp.domain.answers import Chunk, Event, Started
from xapp.domain.requests import Request
from xapp.domain.routing import Routing, RoutingMode
from xapp.routing.chooser import Chooser
from xapp.routing.destination import UpstreamError
from xapp.routing.link import Link
from xapp.routing.router import Router
from xapp.service.outbound import Outbound

BIG = Started("big", "sha256:bb", 5, 0, 0.0, 0, "")
Script = Callable[[Request], AsyncGenerator[Event, None]]


async def well(request: Request) -> AsyncGenerator[Event, None]:
    """A good answer."""
    yield BIG
    yield Chunk("from ", 1)
    yield Chunk("above", 1)
    yield FINISHED


def sending(*events: Event | Exception) -> Script:
    """Sends the events, and raises what is an error."""

    async def script(request: Request) -> AsyncGenerator[Event, None]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event

    return script


DOWN = sending(UpstreamError("no way there"))


@dataclass
class FakeUpstream:
    """`script` answers."""

    script: Script = well
    lacking: str = ""
    name: str = "above"
    requests: list[Request] = field(default_factory=list)
    num_ended: int = 0

    def lacks(self, request: Request) -> str:
        return self.lacking

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        try:
            async for event in self.script(request):
                yield event
        finally:
            self.num_ended += 1

    async def aclose(self) -> None:
        pass


class Charged(Charges):
    """The charge of one request, as it was set last."""

    def __init__(self) -> None:
        super().__init__(())
        self.num_tokens = 0
        self.is_forgotten = False

    def set(self, num_tokens: int) -> None:
        self.num_tokens = num_tokens

    def forget(self) -> None:
        self.is_forgotten = True


class FakeNode(FakeService):
    """A node with `outbound`. Its own answer is `Hello`."""

    def __init__(self, max_tokens: int = 10) -> None:
        super().__init__(estimated=replace(ESTIMATE))
        self.max_tokens = max_tokens
        self.charges: list[Charged] = []
        self.guard: Any = None

    async def resolve(self, request: Request) -> Request:
        return request

    @asynccontextmanager
    async def outbound(self, request: Request) -> AsyncIterator[Outbound]:
        self.charges.append(Charged())
        yield Outbound(request, self.max_tokens, self.guard, self.charges[-1])


@dataclass
class FixedSignal:
    """Always the same difficulty."""

    value: float | None = 0.9
    num_asked: int = 0
    error: Exception | None = None

    async def difficulty(self, request: Request) -> float | None:
        self.num_asked += 1
        if self.error is not None:
            raise self.error
        return self.value


@dataclass
class Pair:
    """A node with an upstream, and the router between them."""

    node: FakeNode = field(default_factory=FakeNode)
    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    signal: FixedSignal = field(default_factory=FixedSignal)
    link: Link = field(default_factory=lambda: Link(2))
    usual: Routing = Routing(RoutingMode.AUTO, 0.5)
    wait_s: float = 5.0
    idle_s: float = 5.0

    @property
    def chooser(self) -> Chooser:
        return Chooser(
            self.node,
            self.upstream,
            link=self.link,
            signal=self.signal,
            usual=self.usual,
            most_wait_s=self.wait_s,
        )

    @property
    def router(self) -> Router:
        return Router(self.node, self.upstream, self.link, self.chooser, self.idle_s)

    async def answer(self, request: Request) -> list[Event]:
        return [event async for event in self.router.stream(request)]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Chunk))
