"""Parts: what the servicers of a node are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from xapp.config import Settings
from xapp.domain.service import Service
from xapp.edge.watchdog import Watchdog
from xapp.security.policy import Policy
from xapp.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Parts:
    """`policy` is what each principal may do."""

    service: Service
    settings: Settings
    metrics: Metrics
    watchdog: Watchdog
    policy: Callable[[], Policy]

    def ready(self) -> bool:
        """Whether the node serves."""
        return self.service.ready
