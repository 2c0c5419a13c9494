"""One reading of all meters, and the thread that takes readings."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from xapp.telemetry.power.heat import HeatSensors
from xapp.telemetry.power.meter import EnergyMeter, NoMeter

HEAT_INTERVAL_S = 0.5
"""Without a meter of energy."""


@dataclass(frozen=True, slots=True)
class PowerReading:
    """`at` is on CLOCK_MONOTONIC. None: not told; `fault` says why there are no joules."""

    at: float
    joules: float | None = None
    celsius: float | None = None
    throttled: bool | None = None
    fault: str = ""


class Readings:
    """Reads in a thread of its own, since a meter may hang, and gives each reading to `tell`.

    Nothing waits for the thread: readings stop where a meter hangs.
    """

    def __init__(
        self, meter: EnergyMeter | None, heat: HeatSensors, tell: Callable[[PowerReading], None]
    ) -> None:
        self._meter = meter
        self._heat = heat
        self._tell = tell
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="power")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after its present reading. Does not wait: the meter may hang."""
        self._closed.set()

    def read(self) -> PowerReading:
        """All meters now."""
        joules, fault = self._joules()
        return PowerReading(time.monotonic(), joules, self._heat.celsius(), self._heat.throttled(), fault)

    def _joules(self) -> tuple[float | None, str]:
        if self._meter is None:
            return None, ""
        try:
            return self._meter.joules(), ""
        except NoMeter as reason:
            return None, str(reason)

    def _run(self) -> None:
        interval_s = self._meter.interval_s if self._meter is not None else HEAT_INTERVAL_S
        while not self._closed.wait(interval_s):
            reading = self.read()
            if not self._closed.is_set():
                self._tell(reading)
