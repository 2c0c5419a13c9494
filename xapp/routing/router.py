"""Router: answers a request here or at the upstream, and says in its events who answered.

An upstream that fails before its first token costs time and nothing else: this node answers. After that the
answer ends with a status. An answer never has two authors.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import Protocol

from xapp.domain.answers import Event, Finished, Started
from xapp.domain.requests import Request
from xapp.domain.routing import Routed
from xapp.domain.service import Generation
from xapp.routing.chooser import Chooser
from xapp.routing.destination import Upstream
from xapp.routing.link import Link, Wait
from xapp.routing.remote_answer import NotBegun, RemoteAnswer
from xapp.service.outbound import Outbound


class LocalNode(Generation, Protocol):
    """The node itself, without its upstream."""

    async def resolve(self, request: Request) -> Request:
        """The request with the prompt that its task makes."""
        ...

    def outbound(self, request: Request) -> AbstractAsyncContextManager[Outbound]:
        """Counts a resolved request that another node answers."""
        ...


class Router:
    """`idle_s`: longest time between two tokens of the upstream."""

    def __init__(
        self, local: LocalNode, upstream: Upstream, link: Link, chooser: Chooser, idle_s: float
    ) -> None:
        self._local = local
        self._upstream = upstream
        self._link = link
        self._chooser = chooser
        self._idle_s = idle_s

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """See Destination."""
        request = await self._local.resolve(request)
        choice = await self._chooser.choose(request)
        routed = choice.routed
        if routed.by_upstream:
            try:
                async with aclosing(self._remote(request, routed, choice.wait)) as events:
                    async for event in events:
                        yield event
            except NotBegun as error:
                routed = replace(routed, by_upstream=False, reason=error.reason, detail=str(error)[:200])
            else:
                return
        async with aclosing(self._local.generate(request)) as events:
            async for event in events:
                yield said(event, routed)

    async def _remote(self, request: Request, routed: Routed, wait: Wait) -> AsyncGenerator[Event, None]:
        async with self._local.outbound(request) as outbound:
            answer = RemoteAnswer(self._upstream, self._link, outbound, self._idle_s)
            try:
                async with aclosing(answer.read(wait)) as events:
                    async for event in events:
                        for read in await outbound.read(event):
                            yield said(read, routed)
            except NotBegun:
                outbound.charge.forget()
                raise


def said(event: Event, routed: Routed | None) -> Event:
    """The event, which says who answered where it is the first or the last."""
    return replace(event, routed=routed) if isinstance(event, Started | Finished) else event
