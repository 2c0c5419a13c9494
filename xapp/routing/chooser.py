"""Chooser: decides whether this node or its upstream answers a request, and says why."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from time import monotonic

from xapp.domain.requests import Request
from xapp.domain.routing import MAX_HOPS, Routed, Routing, RoutingMode, RoutingReason
from xapp.domain.service import Generation
from xapp.errors import FailedPrecondition, XappError
from xapp.routing.destination import Upstream
from xapp.routing.difficulty import Signal
from xapp.routing.link import Link, Wait


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers. `wait`: for the first token of the upstream."""

    routed: Routed
    wait: Wait = Wait(0.0)


class Chooser:
    """`usual` is for requests that say nothing. `most_wait_s` bounds the wait for the first token."""

    def __init__(
        self,
        local: Generation,
        upstream: Upstream,
        *,
        link: Link,
        signal: Signal,
        usual: Routing,
        most_wait_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._local = local
        self._upstream = upstream
        self._link = link
        self._signal = signal
        self._usual = usual
        self._most_wait_s = most_wait_s
        self._clock = clock

    async def choose(self, request: Request) -> Choice:
        """`request` is resolved. Raises InvalidArgument as `estimate` does."""
        began = self._clock()
        routed = await self._choose(request, request.routing or self._usual)
        now = self._clock()
        return Choice(replace(routed.routed, decision_s=now - began), self._wait(routed.latest, now))

    async def _choose(self, request: Request, asked: Routing) -> "_Chosen":
        if reason := self._stays(request, asked):
            return _Chosen(Routed(by_upstream=False, reason=reason, detail=self._lacks(request, reason)))
        latest = await self._latest(request)
        if self._is_late(latest):
            return _LATE
        if asked.mode is RoutingMode.UPSTREAM:
            return _Chosen(Routed(by_upstream=True, reason=RoutingReason.REQUESTED), latest)
        routed = await self._compare(request, asked)
        # The signal took its time.
        return _LATE if routed.by_upstream and self._is_late(latest) else _Chosen(routed, latest)

    def _lacks(self, request: Request, reason: RoutingReason) -> str:
        return self._upstream.lacks(request) if reason is RoutingReason.UNSUPPORTED else ""

    def _stays(self, request: Request, asked: Routing) -> RoutingReason | None:
        """Why the request stays here, whatever its difficulty."""
        if asked.mode is RoutingMode.LOCAL:
            return RoutingReason.REQUESTED
        if request.hops >= MAX_HOPS:
            return RoutingReason.FORWARDED
        if request.deterministic:
            return RoutingReason.DETERMINISTIC
        if self._upstream.lacks(request):
            return RoutingReason.UNSUPPORTED
        if self._link.is_down:
            return RoutingReason.LINK_DOWN
        return RoutingReason.UPSTREAM_FULL if self._link.is_full else None

    async def _latest(self, request: Request) -> float:
        """When the upstream's first token has to be there, so that this node can still meet the deadline.

        A node that would be late itself gives the upstream all the time.
        """
        if request.deadline is None:
            return inf
        expected = await self._local.estimate(request)
        left_s = request.deadline - self._clock()
        if self._link.completion_s(expected.num_completion_tokens) > left_s:
            return -inf
        here_s = expected.completion.p95 or 0.0
        return request.deadline - (here_s if expected.admitted and here_s <= left_s else 0.0)

    def _is_late(self, latest: float) -> bool:
        return latest - self._clock() <= self._link.first_s

    def _wait(self, latest: float, now: float) -> Wait:
        return Wait(
            max(0.0, min(self._most_wait_s, latest - now)), by_deadline=latest - now < self._most_wait_s
        )

    async def _compare(self, request: Request, asked: Routing) -> Routed:
        threshold = self._usual.threshold if asked.threshold is None else asked.threshold
        assert threshold is not None
        try:
            found = await self._signal.difficulty(request)
        except XappError as error:
            return Routed(by_upstream=False, reason=RoutingReason.NO_SIGNAL, detail=error.reason)
        if found is None:
            return Routed(by_upstream=False, reason=RoutingReason.NO_SIGNAL)
        is_hard = found > threshold
        reason = RoutingReason.HARD if is_hard else RoutingReason.EASY
        return Routed(by_upstream=is_hard, reason=reason, difficulty=found, threshold=threshold)


@dataclass(frozen=True, slots=True)
class _Chosen:
    routed: Routed
    latest: float = -inf


_LATE = _Chosen(Routed(by_upstream=False, reason=RoutingReason.DEADLINE))


def without_upstream(routing: Routing | None) -> Routed | None:
    """For a node that has no upstream. Raises FailedPrecondition where the request wants one."""
    if routing is None:
        return None
    if routing.mode is RoutingMode.UPSTREAM:
        raise FailedPrecondition(
            "this node has no upstream: set [upstream] kind and target, or ask without routing",
            reason="NO_UPSTREAM",
        )
    asked = routing.mode is RoutingMode.LOCAL
    reason = RoutingReason.REQUESTED if asked else RoutingReason.NO_UPSTREAM
    return Routed(by_upstream=False, reason=reason)
