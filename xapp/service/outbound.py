"""Outbound: a request that another node answers. Policies, limits, formats and quotas of this node hold.

It takes no place here, since nothing is computed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic

from xapp.admission.admission_request import max_tokens
from xapp.admission.quota import Charge, Charges
from xapp.domain.answers import Event
from xapp.domain.requests import Request
from xapp.formats.guard import FormatGuard, guard_format
from xapp.formats.prepare import Formats
from xapp.formats.tool_guard import ToolGuard
from xapp.service.call import Calls


@dataclass(frozen=True, slots=True)
class Outbound:
    """`request` has a deadline and a `max_tokens` within this node's limits. `guard` reads its answer where
    it has a format. `charge` takes the tokens that it used.
    """

    request: Request
    max_tokens: int
    guard: FormatGuard | ToolGuard | None
    charge: Charge | Charges

    async def read(self, event: Event) -> list[Event]:
        """The event as the caller gets it."""
        return [event] if self.guard is None else await self.guard.read(event)


class Outbounds:
    """The requests of this node that other nodes answer."""

    def __init__(self, calls: Calls, formats: Formats) -> None:
        self._calls = calls
        self._formats = formats

    @asynccontextmanager
    async def enter(self, request: Request) -> AsyncIterator[Outbound]:
        """Holds the client's quota while the block runs. `request` is resolved. Raises as `Calls.enter`."""

        async def resolved() -> Request:
            return request

        target = await self._calls.find(resolved)
        asked, admission = target.admission_request, target.serving.admission
        with admission.elsewhere(asked) as charge:
            guard = await guard_format(self._formats, request, target.serving.codec.check)
            most = max_tokens(request, target.limits, target.serving.limit)
            deadline = min(asked.deadline, monotonic() + target.limits.max_deadline_s)
            yield Outbound(replace(request, max_tokens=most, deadline=deadline), most, guard, charge)
