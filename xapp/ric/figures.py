"""The figures that alarms are judged by, from the service, the host and the certificate."""

import time
from collections.abc import Callable, Iterator

from xapp.backend.node import memory_total_bytes, this_node
from xapp.domain.service import Service
from xapp.domain.states import ModelState, ModelStatus
from xapp.ric.alarm_kinds import (
    CERTIFICATE_ENDS,
    CPU_THROTTLED,
    HEAT,
    HEAT_SOON_S,
    MEMORY_PRESSURE,
    QUEUE_SATURATED,
    WORKER_LOST,
)
from xapp.ric.alarms import Figure
from xapp.telemetry.cgroup import cpu_periods
from xapp.telemetry.host import HostReader

_DAY_S = 86_400
_LOST = {ModelState.LOADING, ModelState.FAILED}


def memory_share() -> float:
    """The share of the memory of the machine, or of the container."""
    return 1 - this_node().memory_bytes / max(1, memory_total_bytes())


class Figures:
    """`node` names the node in alarms. `not_after` is the end of its certificate, or None."""

    def __init__(
        self,
        service: Service,
        host: HostReader,
        node: str,
        max_queue: int,
        not_after: Callable[[], float | None] = lambda: None,
        *,
        share_of_memory: Callable[[], float] = memory_share,
        periods: Callable[[], tuple[int, int]] = cpu_periods,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._host = host
        self._node = node
        self._max_queue = max_queue
        self._not_after = not_after
        self._share_of_memory = share_of_memory
        self._periods = periods
        self._now = now
        self._last_periods = periods()
        self._restarts: dict[str, int] = {}

    def of_service(self) -> Iterator[Figure]:
        """Figures of the service. Call this on the event loop."""
        for status in self._service.list_models():
            if status.state is ModelState.READY or status.name in self._restarts:
                yield Figure(WORKER_LOST, status.name, float(self._is_lost(status)))
        for sample in self._service.samples():
            if self._max_queue:
                yield Figure(QUEUE_SATURATED, sample.name, sample.stats.num_waiting / self._max_queue)
        yield Figure(HEAT, self._node, float(self._service.power_state.heat.throttles_in_s <= HEAT_SOON_S))
        if (not_after := self._not_after()) is not None:
            yield Figure(CERTIFICATE_ENDS, self._node, (self._now() - not_after) / _DAY_S)

    def of_host(self) -> list[Figure]:
        """Figures of the kernel. Call this in a thread: it may take milliseconds."""
        return [
            Figure(CPU_THROTTLED, self._node, self._throttled_share()),
            Figure(MEMORY_PRESSURE, self._node, self._share_of_memory()),
        ]

    def _is_lost(self, status: ModelStatus) -> bool:
        """Whether a model that has served does not serve now, or has another worker than at the last look."""
        before = self._restarts.get(status.name, status.num_restarts)
        if status.state in {ModelState.AVAILABLE, ModelState.DRAINING}:
            self._restarts.pop(status.name, None)
            return False
        self._restarts[status.name] = status.num_restarts
        return status.state in _LOST or status.num_restarts > before

    def _throttled_share(self) -> float:
        """1 while the board is throttled, else the share of the quota's periods since the last look."""
        (all_before, throttled_before), now = self._last_periods, self._periods()
        self._last_periods = now
        if self._host.host().throttled:
            return 1.0
        return (now[1] - throttled_before) / max(1, now[0] - all_before)
