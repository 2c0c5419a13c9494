"""Call: one request on its way, from what its caller wrote to its end. The same for every verb.

resolve (a task makes its prompt) → find the model → admit → the verb's own work → observe, clean up.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
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
from xapp.service.account import Account
from xapp.service.models import ModelRegistry
from xapp.service.served_model import ServedModel, Serving
from xapp.telemetry.observe import Observer

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
    """A resolved request, the model that answers it, and what admission is asked."""

    request: Request
    model: ServedModel
    serving: Serving
    admission_request: AdmissionRequest


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in. `admitted` is its place, `account` is told its events."""

    target: Target
    admitted: AdmittedRequest
    account: Account


class Calls:
    """What every verb begins with."""

    def __init__(self, settings: AdmissionSettings, registry: ModelRegistry, observer: Observer) -> None:
        self.settings = settings
        self._registry = registry
        self._observer = observer
        self._ids = count(1)

    def new_id(self) -> int:
        """A request id for a worker, used once."""
        return next(self._ids)

    async def find(self, resolve: Resolve, account: Account | None = None) -> Target:
        """Takes no place. Raises what `resolve` raises, NotFound, Unavailable, InvalidArgument."""
        arrival = monotonic()
        request = await resolve()
        model = self._registry.find(request.model)
        if account is not None:
            account.model = model.name
        serving = model.require_ready()
        asked = admission_request(request, self.settings, serving.limit, arrival)
        return Target(request, model, serving, asked)

    @asynccontextmanager
    async def enter(
        self,
        resolve: Resolve,
        admit: Callable[[Target], AbstractContextManager[AdmittedRequest]] | None = None,
    ) -> AsyncIterator[Call]:
        """Holds a place for as long as the block runs; whichever way it ends, the observer hears of it.

        Raises as `find`, and what `Admission.enter` raises.
        """
        with Account(self._observer) as account:
            target = await self.find(resolve, account)
            with (admit or enter_alone)(target) as admitted:
                yield Call(target, admitted, account)


def enter_alone(target: Target) -> AbstractContextManager[AdmittedRequest]:
    """The place of a request that is computed for itself."""
    return target.serving.admission.enter(target.admission_request)
