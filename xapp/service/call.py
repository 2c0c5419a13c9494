"""Call: one request on its way, from what its caller wrote to its end. The same for every verb.

resolve (a task makes its prompt) → find the model → admit → the verb's own work → clean up.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import TypedDict

from xapp.admission.admission import AdmittedRequest
from xapp.admission.admission_request import admission_request
from xapp.admission.open_request import AdmissionRequest
from xapp.config import AdmissionSettings
from xapp.domain import scope
from xapp.domain.requests import Request
from xapp.served.registry import ModelRegistry
from xapp.served.served_model import ServedModel
from xapp.served.serving import Serving
from xapp.telemetry.observation import found_model

Resolve = Callable[[], Awaitable[Request]]


class Scopes(TypedDict):
    """Those of a Submit."""

    scope: str
    task_scope: str


def scopes_of(request: Request) -> Scopes:
    """Within which its computations are shared, and what it reads besides: its task's beginning."""
    reads_task = request.scope != scope.EVERYBODY and request.task_label
    name = request.task_label.partition("@")[0]
    return Scopes(scope=request.scope, task_scope=scope.of_task(name) if reads_task else "")


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved request, the model that answers it, its limits, and what admission is asked."""

    request: Request
    model: ServedModel
    serving: Serving
    limits: AdmissionSettings
    admission_request: AdmissionRequest


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in. `admitted` is its place."""

    target: Target
    admitted: AdmittedRequest


class Calls:
    """What every verb begins with."""

    def __init__(self, settings: AdmissionSettings, registry: ModelRegistry) -> None:
        self.settings = settings
        self._registry = registry
        self._ids = count(1)

    def new_id(self) -> int:
        """A request id for a worker, used once."""
        return next(self._ids)

    async def find(self, resolve: Resolve) -> Target:
        """Takes no place. Raises what `resolve` raises, NotFound, Unavailable, PermissionDenied,
        InvalidArgument.
        """
        arrival = monotonic()
        request = await resolve()
        model = self._registry.find(request.model)
        found_model(model.name)
        serving = model.require_ready()
        limits = self._limits_for(request, model)
        asked = admission_request(request, limits, serving.limit, arrival)
        return Target(request, model, serving, limits, asked)

    def _limits_for(self, request: Request, model: ServedModel) -> AdmissionSettings:
        """What policies leave of the node's. Raises PermissionDenied where they let the client not in."""
        policies = self._registry.policies
        policies.check(request.client, model.name, request.priority)
        return policies.narrow(self.settings, request.client, model.name)

    @asynccontextmanager
    async def enter(
        self,
        resolve: Resolve,
        may_join: Callable[[Target], bool] = lambda _: False,
    ) -> AsyncIterator[Call]:
        """Holds a place for as long as the block runs. Raises as `find` and `Admission.enter` do.

        `may_join`: whether its answer may be that of another request, as far as it can be told now.
        """
        target = await self.find(resolve)
        with target.serving.admission.enter(target.admission_request, may_join=may_join(target)) as admitted:
            yield Call(target, admitted)
