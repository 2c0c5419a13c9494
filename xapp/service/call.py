"""Call: the common course of every request, from the caller's message to its end.

resolve (a task makes its prompt) → find the model → admit → the RPC's own work → clean up.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import TypedDict

from xapp.admission.admission_request import admission_request
from xapp.admission.admitted_request import AdmittedRequest
from xapp.admission.open_request import AdmissionRequest
from xapp.config import AdmissionSettings
from xapp.domain import scope
from xapp.domain.decoding import Decoding
from xapp.domain.kinds import Capability
from xapp.domain.requests import Request
from xapp.served.registry import ModelRegistry
from xapp.served.served_model import ServedModel
from xapp.served.serving import Serving
from xapp.service.decoding import decoding_of
from xapp.telemetry.observation import found_model

Resolve = Callable[[], Awaitable[Request]]


class Scopes(TypedDict):
    """The scopes of a Submit."""

    scope: str
    task_scope: str


def scopes_of(request: Request) -> Scopes:
    """The scope that shares the request's computations, and the task's scope, which it reads as well."""
    reads_task = request.scope != scope.EVERYBODY and request.task_label
    name = request.task_label.partition("@")[0]
    return Scopes(scope=request.scope, task_scope=scope.of_task(name) if reads_task else "")


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved request with its model, its limits and its AdmissionRequest."""

    request: Request
    model: ServedModel
    serving: Serving
    limits: AdmissionSettings
    admission_request: AdmissionRequest
    decoding: Decoding


@dataclass(frozen=True, slots=True)
class Call:
    """An admitted request. `admitted` is its place."""

    target: Target
    admitted: AdmittedRequest


class Calls:
    """The first steps of every RPC."""

    def __init__(self, settings: AdmissionSettings, registry: ModelRegistry) -> None:
        self.settings = settings
        self._registry = registry
        self._ids = count(1)

    def new_id(self) -> int:
        """A request id for a worker, used once."""
        return next(self._ids)

    async def find(self, resolve: Resolve, needed: Capability = Capability.GENERATE) -> Target:
        """Resolves the request and finds its model, which is `needed`. Takes no place. Raises the errors of
        `resolve`, and NotFound, ModelError, Unavailable, PermissionDenied, InvalidArgument.
        """
        arrival = monotonic()
        request = await resolve()
        model = self._registry.find(request.model)
        found_model(model.name)
        serving = model.require_ready(needed)
        limits = self._limits_for(request, model)
        decoding = decoding_of(request, serving.info)
        asked = admission_request(request, limits, serving.limit, arrival, decoding)
        return Target(request, model, serving, limits, asked, decoding)

    def _limits_for(self, request: Request, model: ServedModel) -> AdmissionSettings:
        """The node's limits, narrowed by policies.

        Raises PermissionDenied where a policy refuses the client.
        """
        policies = self._registry.policies
        policies.check(request.client, model.name, request.priority)
        return policies.narrow(self.settings, request.client, model.name)

    @asynccontextmanager
    async def enter(
        self,
        resolve: Resolve,
        may_join: Callable[[Target], bool] = lambda _: False,
        needed: Capability = Capability.GENERATE,
    ) -> AsyncIterator[Call]:
        """Holds a place while the block runs. Raises the errors of `find` and `Admission.enter`.

        `may_join`: whether the answer may be that of another request, as far as it is known now.
        """
        target = await self.find(resolve, needed)
        with target.serving.admission.enter(target.admission_request, may_join=may_join(target)) as admitted:
            yield Call(target, admitted)
