"""The power management chip of a Raspberry Pi 5: the power of its rails.

It sees neither what hangs on USB nor the losses of the power supply.
"""

import re
import time
from collections.abc import Callable

from xapp.telemetry.power.integral import Integral
from xapp.telemetry.power.meter import NoMeter
from xapp.telemetry.power.vcgencmd import FirmwareError, Vcgencmd

_RAIL = re.compile(r"^\s*(\w{1,32})_([AV]) (?:current|volt)\(\d{1,4}\)=([0-9.]{1,16})[AV]\s*$")
_MOST_WATTS = 1000.0


class Pmic:
    """`read` returns what `vcgencmd pmic_read_adc` prints. It raises NoMeter when it fails."""

    interval_s = 0.5

    def __init__(self, read: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._integral = Integral(lambda: watts_of(read()), clock)
        self.name = "Raspberry Pi 5 PMIC: all rails with a current"

    def joules(self) -> float:
        """So far. Raises NoMeter."""
        return self._integral.joules()


def watts_of(rails: str) -> float:
    """Σ volt × ampere over the rails that have both. Raises NoMeter without any, and for garbage."""
    values = dict(_values(rails))
    both = [name for name, kind in values if kind == "A" and (name, "V") in values]
    if not both:
        raise NoMeter("vcgencmd pmic_read_adc tells no current: not a Raspberry Pi 5")
    watts = sum(values[name, "A"] * values[name, "V"] for name in both)
    if watts > _MOST_WATTS:
        raise NoMeter(f"vcgencmd pmic_read_adc tells {watts:.0f} W")
    return watts


def _values(rails: str) -> list[tuple[tuple[str, str], float]]:
    found = (match for line in rails.splitlines() if (match := _RAIL.match(line)))
    try:
        return [((match[1], match[2]), float(match[3])) for match in found]
    except ValueError as error:
        raise NoMeter(f"vcgencmd pmic_read_adc prints no number: {error}") from error


def rails_of(firmware: Vcgencmd | None) -> Callable[[], str]:
    """Reads the rails. The returned function raises NoMeter."""

    def read() -> str:
        if firmware is None:
            raise NoMeter("no vcgencmd (not a Raspberry Pi)")
        try:
            return firmware.ask("pmic_read_adc")
        except FirmwareError as error:
            raise NoMeter(str(error)) from error

    return read
