"""A virtual node that warms up: a Raspberry Pi 5 whose firmware lowers the clock from 2.4 to 1.5 GHz.

One body of heat: it takes the power of the clock while it computes, and loses heat to the air. The firmware
lowers the clock at the limit, and raises it again some degrees below. The sensor is read twice a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.service.virtual_node import VirtualNode, Wanted
from xapp.backend.base import Batch, Sampler
from xapp.domain.power import HeatOutlook
from xapp.telemetry.power.heat_trend import HeatTrend

FULL_GHZ, LOW_GHZ = 2.4, 1.5
LIMIT, RELEASE, AIR = 80.0, 76.0, 25.0
READ_S = 0.5


@dataclass
class Board:
    """`celsius` now. `seconds_to_cool` is the time constant; the powers are watts above the idle power."""

    celsius: float = 45.0
    full_watts: float = 6.5
    low_watts: float = 3.4
    idle_watts: float = 2.2
    kelvin_per_watt: float = 8.0
    time_constant_s: float = 40.0
    throttled: bool = False
    throttled_s: float = 0.0

    def pass_time(self, seconds: float, *, busy: bool) -> None:
        """Steps of a tenth of a second."""
        while seconds > 1e-9:
            step = min(0.1, seconds)
            watts = self.idle_watts + busy * (self.low_watts if self.throttled else self.full_watts)
            target = AIR + self.kelvin_per_watt * watts
            self.celsius += (target - self.celsius) * step / self.time_constant_s
            self.throttled = self.celsius >= (RELEASE if self.throttled else LIMIT)
            self.throttled_s += step * self.throttled
            seconds -= step

    @property
    def speed(self) -> float:
        return LOW_GHZ / FULL_GHZ if self.throttled else 1.0


@dataclass
class HotNode(VirtualNode):
    """`foresees` heat, or only follows it by the price of its steps."""

    board: Board = field(default_factory=Board)
    foresees: bool = True

    def __post_init__(self) -> None:
        self.trend = HeatTrend(LIMIT)
        super().__post_init__()
        self._at = self._read_at = self.clock.now
        compute = self.backend.decode

        def decode(batch: Batch, samplers: list[Sampler]) -> list[int]:
            self._pass_until(self.clock.now, busy=False)
            before = self.clock.now
            tokens = compute(batch, samplers)
            self.clock.now = before + (self.clock.now - before) / self.board.speed
            self._pass_until(self.clock.now, busy=True)
            return tokens

        self.backend.decode = decode  # type: ignore[method-assign]

    def outlook(self) -> HeatOutlook:
        return self.trend.outlook if self.foresees else HeatOutlook()

    def _pass_until(self, now: float, *, busy: bool) -> None:
        while self._at < now:
            until = min(now, self._read_at + READ_S)
            self.board.pass_time(until - self._at, busy=busy)
            self._at = until
            if until >= self._read_at + READ_S:
                self._read_at = until
                self.trend.see(
                    until, round(self.board.celsius * 2) / 2, throttled=self.board.throttled, busy=busy
                )

    def serve(self, wanted: Sequence[Wanted]) -> "HotNode":
        self.open_loop(wanted)
        return self

    @property
    def num_broken(self) -> int:
        """Promises: requests that were let in and were not answered in time."""
        return sum(not answer.good for answer in self.answers)
