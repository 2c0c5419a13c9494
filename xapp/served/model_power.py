"""The meters and the budgets of the node, as its models use them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from xapp.admission.budgets import Check, budgets_of
from xapp.config import PowerSettings
from xapp.errors import ConfigError
from xapp.telemetry.power.node_power import NodePower, find_meters

_BUDGET_KEYS = {"budget_w": "XAPP_POWER_BUDGET_W", "budget_j_per_hour": "XAPP_POWER_BUDGET_J_PER_HOUR"}


@dataclass(frozen=True, slots=True)
class ModelPower:
    """`check` is that of `Budgets`."""

    node: NodePower
    check: Check

    @classmethod
    def of(cls, settings: PowerSettings) -> Self:
        """For all models of a node with these settings."""
        node = NodePower(
            lambda: find_meters(
                settings.meter,
                Path(settings.sys),
                settings.vcgencmd,
                settings.sensor,
                settings.throttle_celsius,
            )
        )
        return cls(node, budgets_of(settings.budget_w, settings.budget_j_per_hour, node).check)

    async def start(self, settings: PowerSettings) -> None:
        """Raises ConfigError for a budget, or a named meter, on a node without that meter."""
        await self.node.start()
        if self.node.has_meter:
            return
        for name, key in _BUDGET_KEYS.items():
            if getattr(settings, name) is not None:
                raise ConfigError(key, f"nothing measures the energy of this node: {self.node.fault}")
        if settings.meter not in {"auto", "off"}:
            raise ConfigError("XAPP_POWER_METER", self.node.fault)
