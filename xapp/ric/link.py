"""RicLink: everything that a node tells its near-RT RIC unasked: policies' statuses, alarms, registration.

Each part is off without its setting. No part delays the service: a component that is away for an hour is
tried again and again, and in the end gets the present state.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

from xapp import logs
from xapp.config import Settings
from xapp.domain.service import Service
from xapp.domain.states import ModelState
from xapp.ric.alarms import Alarms
from xapp.ric.descriptor import load_descriptor, name_in
from xapp.ric.figures import Figures
from xapp.ric.link_parts import alarms_of, policy_source, registration_of, status_outbox
from xapp.ric.platform import Platform, PlatformError
from xapp.ric.policies import Policies, PolicyStatus
from xapp.ric.policy_source import PolicySource
from xapp.telemetry.host import HostReader

ALARM_LOOK_S = 5.0
TELL_AGAIN_S = 300.0
LEAVE_S = 3.0
AFTER_DEFECT_S = 5.0
_Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
_log = logging.getLogger(__name__)


class RicLink:
    """A context manager: inside the block it watches and reports. Call `on_ready` when the default model
    serves, and `leave` at the end.
    """

    def __init__(
        self,
        service: Service,
        settings: Settings,
        host: HostReader,
        not_after: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Raises ConfigError with the key."""
        self._service = service
        self._settings = settings
        self._platform = Platform()
        self._tasks: set[asyncio.Task[None]] = set()
        self.name = name_in(load_descriptor(os.environ, settings))
        self.node = settings.node.name or socket.gethostname()
        self._statuses = status_outbox(settings, self._platform, self._body)
        self._policies = self._policies_of(policy_source(settings, self._platform))
        self._alarms = alarms_of(settings, self._platform, self.name, self.node)
        self._figures = Figures(service, host, self.node, settings.admission.max_queue, not_after)
        self._registration = registration_of(settings, self._platform, self.name)

    def _policies_of(self, source: PolicySource | None) -> Policies | None:
        if source is None:
            return None
        return Policies(source, self._service.set_policies, self._served_models, self._on_status)

    def _served_models(self) -> set[str]:
        models = self._service.list_models()
        return {model.name for model in models if model.state is not ModelState.AVAILABLE}

    def _on_status(self, status: PolicyStatus) -> None:
        if self._statuses is not None:
            self._statuses.put(status.instance_id, status)

    # ---- life

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs policies and alarms."""
        async with self._platform:
            if self._policies is not None:
                self._spawn(self._policies.run)
            if self._statuses is not None:
                self._spawn(self._statuses.run)
            if self._alarms is not None:
                self._spawn(self._alarms.outbox.run)
                self._spawn(partial(self._watch, self._alarms))
            try:
                yield
            finally:
                await self._end_tasks()

    def on_ready(self) -> None:
        """Registers with the application manager, since the default model serves now."""
        if self._registration is not None:
            self._spawn(self._registration.run)

    async def leave(self) -> None:
        """Deregisters and clears alarms, in a few seconds at most."""
        await self._end_tasks()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await asyncio.gather(self._deregister(), self._clear_alarms())

    async def _deregister(self) -> None:
        if self._registration is not None:
            await self._registration.leave()

    async def _clear_alarms(self) -> None:
        if self._alarms is not None:
            with contextlib.suppress(PlatformError):
                await self._alarms.leave()

    async def _watch(self, watched: Alarms) -> None:
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        while True:
            await self._look(watched)
            if loop.time() - told_at >= TELL_AGAIN_S:
                watched.tell_again()
                told_at = loop.time()
            await asyncio.sleep(ALARM_LOOK_S)

    async def _look(self, watched: Alarms) -> None:
        of_host = await asyncio.to_thread(self._figures.of_host)
        watched.see([*self._figures.of_service(), *of_host])

    def _spawn(self, work: _Work) -> None:
        task = asyncio.create_task(_despite_defects(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- views

    def policies(self) -> list[dict[str, object]]:
        """The reported status of every policy."""
        return [] if self._policies is None else [self._body(each) for each in self._policies.statuses()]

    def _body(self, status: PolicyStatus) -> dict[str, object]:
        return status.body(self._settings.ric.policy_type, self.name)

    def gauges(self) -> dict[str, float]:
        """Figures for Prometheus."""
        enforced = [] if self._policies is None else [each.enforced for each in self._policies.statuses()]
        return {
            "policies_enforced": enforced.count(True),
            "policies_not_enforced": enforced.count(False),
            "policies_source_failed": float(bool(self._policies and self._policies.failure)),
            "alarms_raised": float(len(self._alarms.raised) if self._alarms else 0),
            "ric_registered": float(bool(self._registration and self._registration.registered)),
        }

    def report(self) -> dict[str, object]:
        """The state for a fault report."""
        raised = [] if self._alarms is None else self._alarms.raised
        return {
            "policies": self.policies(),
            "policies_failure": self._policies.failure if self._policies else "",
            "alarms": [
                {"id": each.kind.id, "text": each.kind.text, "about": each.subject} for each in raised
            ],
            "registered": bool(self._registration and self._registration.registered),
        }


async def _despite_defects(work: _Work) -> None:
    """A defect ends neither the service nor the work: without it policies would be followed no more."""
    while True:
        try:
            return await work()
        except Exception as error:  # noqa: BLE001  the boundary of a part that must not end another
            fields: dict[str, object] = {"event": "ric_defect"}
            logs.event(_log, "internal error towards the RIC", fields, level=logging.ERROR, error=error)
        await asyncio.sleep(AFTER_DEFECT_S)
