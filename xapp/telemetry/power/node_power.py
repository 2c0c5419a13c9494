"""NodePower: the meters of this node, what they have told, and what follows from it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from xapp import logs
from xapp.domain.messages import SequenceFinished, Stats
from xapp.domain.power import Energy, HeatOutlook, PowerState
from xapp.telemetry.power.find import SYS, find_energy_meter
from xapp.telemetry.power.heat import HeatSensors
from xapp.telemetry.power.heat_trend import HeatTrend
from xapp.telemetry.power.ledger import Ledger
from xapp.telemetry.power.meter import EnergyMeter, NoMeter
from xapp.telemetry.power.reading import PowerReading, Readings
from xapp.telemetry.power.vcgencmd import find_vcgencmd

STALE_S = 5.0
"""An older reading is none: its meter hangs."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Meters:
    """What this machine can be asked. `fault`: why it has no meter of energy."""

    meter: EnergyMeter | None
    heat: HeatSensors
    fault: str = ""


class NodePower:
    """`start` first, `close` last. All methods are for the event loop. `find` and the meters block, so they
    run in threads. `clock` is CLOCK_MONOTONIC.
    """

    def __init__(self, find: Callable[[], Meters], clock: Callable[[], float] = monotonic) -> None:
        self._find = find
        self._clock = clock
        self._meter = ""
        self._fault = ""
        self._stats: dict[str, Callable[[], Stats]] = {}
        self._trend = HeatTrend(None)
        self._last: PowerReading | None = None
        self._readings: Readings | None = None
        self.ledger = Ledger()

    @property
    def has_meter(self) -> bool:
        """Whether the node had a meter of energy at the start."""
        return bool(self._meter)

    @property
    def fault(self) -> str:
        """The reason for missing figures of energy; "" where there are some."""
        return self._fault

    # ---- life

    async def start(self) -> None:
        """Finds the meters, and starts to read them where there are some."""
        found = await asyncio.to_thread(self._find)
        self._meter, self._fault = found.meter.name if found.meter else "", found.fault
        self._trend = HeatTrend(found.heat.limit_celsius)
        if found.meter is None and not found.heat.any:
            return
        loop = asyncio.get_running_loop()
        self._readings = Readings(found.meter, found.heat, lambda reading: _tell(loop, self.take, reading))
        self._readings.start()

    def close(self) -> None:
        """Ends the reading. Safe to call twice."""
        readings, self._readings = self._readings, None
        if readings is not None:
            readings.close()

    def watch(self, model: str, stats: Callable[[], Stats]) -> None:
        """Counts the energy of a model from now on."""
        self._stats[model] = stats

    def forget(self, model: str) -> None:
        """Ends that."""
        self._stats.pop(model, None)

    def take(self, reading: PowerReading) -> None:
        """A new reading."""
        self._last = reading
        if self._meter:
            self._note(reading.fault)
        steps_s = {name: stats().total_step_seconds for name, stats in self._stats.items()}
        before = self.ledger.steps_s
        self.ledger.read(reading.at, reading.joules, steps_s)
        busy = self.ledger.steps_s != before
        self._trend.see(reading.at, reading.celsius, throttled=reading.throttled, busy=busy)

    def _note(self, fault: str) -> None:
        if fault == self._fault:
            return
        self._fault = fault
        if fault:
            fields: dict[str, object] = {"event": "power_meter_failed", "reason": fault}
            logs.event(_log, "the power meter does not answer", fields, level=logging.WARNING)

    # ---- views

    @property
    def outlook(self) -> HeatOutlook:
        """When the node lowers its clock; never, where its sensors do not answer any more."""
        return self._trend.outlook if self._is_fresh else HeatOutlook()

    @property
    def _is_fresh(self) -> bool:
        return self._last is not None and self._clock() - self._last.at <= STALE_S

    @property
    def state(self) -> PowerState:
        """The present state."""
        if self._last is None or not self._is_fresh:
            return PowerState(fault=self._fault if self._last is None else "the meters hang")
        known = self.ledger.watts is not None
        return PowerState(
            joules=self.ledger.node.last if known else None,
            watts=self.ledger.watts,
            idle_watts=self.ledger.idle_watts if known else None,
            celsius=self._last.celsius,
            throttled=self._last.throttled,
            heat=self.outlook,
            meter=self._meter,
            fault=self._fault,
        )

    @property
    def busy_watts(self) -> float | None:
        """Watts while the node computes."""
        return self.ledger.busy_watts

    @property
    def idle_watts(self) -> float | None:
        """Watts while it computes nothing."""
        return self.ledger.idle_watts

    def joules_since(self, seconds: float) -> float | None:
        """What the node took in the last seconds; None while the meter does not answer."""
        if not self._is_fresh or self.ledger.watts is None:
            return None
        return max(0.0, self.ledger.node.since(self._clock() - seconds))

    def energy_of(self, model: str, end: SequenceFinished) -> Energy | None:
        """The energy of a request to this model; None where it is not known."""
        return self.ledger.energy_of(model, end)

    def total_of(self, model: str) -> Energy | None:
        """The energy of a model since it was loaded; None where it is not known."""
        return self.ledger.total_of(model)


def _tell(
    loop: asyncio.AbstractEventLoop, take: Callable[[PowerReading], None], reading: PowerReading
) -> None:
    """From the thread. The loop may have ended meanwhile."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(take, reading)


def find_meters(
    kind: str, root: Path = SYS, vcgencmd: str = "", sensor: str = "", limit_celsius: float | None = None
) -> Meters:
    """The meter of this `kind`: `auto`, `off`, or a name of `find.makers`."""
    if kind == "off":
        return Meters(None, HeatSensors(Path("/nonexistent"), None), "XAPP_POWER_METER is off")
    firmware = find_vcgencmd(vcgencmd)
    heat = HeatSensors(root, firmware, limit_celsius)
    try:
        return Meters(find_energy_meter(kind, root, firmware, sensor), heat)
    except NoMeter as reason:
        return Meters(None, heat, str(reason))
