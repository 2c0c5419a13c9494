"""RoutedService: the service of a node that may have an upstream, and collections of documents."""

import asyncio
from collections.abc import AsyncGenerator
from time import monotonic
from typing import Protocol

from xapp.config import Settings
from xapp.domain.answers import Estimate, Event
from xapp.domain.requests import Request
from xapp.domain.retrieval import Retrieval
from xapp.domain.routing import Routed, Routing, RoutingMode
from xapp.domain.service import Generation
from xapp.errors import FailedPrecondition
from xapp.routing.chooser import Chooser, without_upstream
from xapp.routing.classifier import Classifier
from xapp.routing.destination import Upstream
from xapp.routing.difficulty import make_signal
from xapp.routing.linear_probe import LinearProbe
from xapp.routing.link import Link
from xapp.routing.make_upstream import NONE, check_upstream, make_upstream, trained_of
from xapp.routing.router import Router, said
from xapp.served.dependencies import ModelDependencies
from xapp.service.service import NodeService


class RunnableRetrieval(Retrieval, Protocol):
    """Collections that are opened and closed."""

    def start(self) -> None:
        """Begins to open them, and returns."""
        ...

    async def aclose(self) -> None:
        """Closes them. Safe to call twice."""
        ...


class LocalService:
    """The node's own verbs, by which the router answers here."""

    def __init__(self, service: "RoutedService") -> None:
        self.generate = service.generate_here
        self.estimate = service.estimate_here
        self.score = service.score
        self.hidden_state = service.hidden_state
        self.resolve = service.resolve
        self.outbound = service.outbound


class RoutedService(NodeService):
    """Answers here or at the upstream. Raises ConfigError for wrong settings of the upstream."""

    def __init__(self, settings: Settings, *, tools: ModelDependencies | None = None) -> None:
        super().__init__(settings, tools=tools)
        self._upstream_settings = settings.upstream
        self._upstream: Upstream | None = None
        self._router: Router | None = None
        self._trained: Classifier | LinearProbe | None = None
        self._link = Link(settings.upstream.max_in_flight)
        check_upstream(settings.upstream)
        self._collections: RunnableRetrieval | None = None
        self._grounded: Generation | None = None

    @property
    def collections(self) -> Retrieval | None:
        """Implements Service."""
        return self._collections

    def use_retrieval(self, collections: RunnableRetrieval, grounded: Generation) -> None:
        """Keeps `collections`, and answers with their passages by `grounded`. Before `start`."""
        self._collections, self._grounded = collections, grounded

    async def start(self) -> None:
        """Makes the upstream, which belongs to the running loop; then as NodeService."""
        if self._upstream_settings.kind != NONE:
            self._trained = trained_of(self._upstream_settings)
            self._upstream = make_upstream(self._upstream_settings)
            self._router = self._route_to(self._upstream)
        await super().start()
        if self._collections is not None:
            self._collections.start()

    def _route_to(self, upstream: Upstream) -> Router:
        settings, here = self._upstream_settings, LocalService(self)
        signal = make_signal(settings.signal, here, self._trained)
        usual = Routing(RoutingMode(settings.mode), settings.threshold)
        most_wait_s = settings.first_token_timeout_s
        chooser = Chooser(
            here, upstream, link=self._link, signal=signal, usual=usual, most_wait_s=most_wait_s
        )
        return Router(here, upstream, self._link, chooser, settings.idle_timeout_s)

    async def wait_ready(self) -> None:
        """As NodeService. Raises ConfigError for a classifier or a probe of another model."""
        await super().wait_ready()
        settings = self._upstream_settings
        if self._trained is not None:
            path = settings.probe if settings.signal == "hidden_state" else settings.classifier
            self._trained.check_model(path, self.get_model("").digest)

    def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Implements Generation.generate."""
        if request.retrieval is not None:
            return self._with_passages().generate(request)
        return self.answer(request)

    async def estimate(self, request: Request) -> Estimate:
        """Implements Generation.estimate."""
        if request.retrieval is not None:
            return await self._with_passages().estimate(request)
        return await self.estimate_here(request)

    async def estimate_here(self, request: Request) -> Estimate:
        """`estimate` for a request without retrieval."""
        return await super().estimate(request)

    def _with_passages(self) -> Generation:
        if self._grounded is None:
            text = "this node has no collections: set [retrieval] folder"
            raise FailedPrecondition(text, reason="NO_COLLECTIONS")
        return self._grounded

    def answer(self, request: Request) -> AsyncGenerator[Event, None]:
        """`generate` for a request without retrieval: here, or at the upstream."""
        if self._router is not None:
            return self._router.stream(request)
        if request.routing is None:
            return self.generate_here(request)
        return _saying(without_upstream(request.routing), self.generate_here(request))

    async def drain(self, grace_s: float) -> bool:
        """Waits for the requests at the upstream as well."""
        until = monotonic() + grace_s
        if not await super().drain(grace_s):
            return False
        try:
            async with asyncio.timeout(max(0.0, until - monotonic())):
                await self._link.idle.wait()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """Ends the requests at the upstream, too, and closes the collections."""
        if self._collections is not None:
            await self._collections.aclose()
        if self._upstream is not None:
            await self._upstream.aclose()
        await super().aclose()


async def _saying(routed: Routed | None, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    try:
        async for event in events:
            yield said(event, routed)
    finally:
        await events.aclose()
