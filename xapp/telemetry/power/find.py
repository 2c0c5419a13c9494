"""Finds the meter of this machine."""

from collections.abc import Callable, Mapping
from pathlib import Path

from xapp.telemetry.power.ina import HWMON, Ina
from xapp.telemetry.power.meter import EnergyMeter, NoMeter
from xapp.telemetry.power.pmic import Pmic, rails_of
from xapp.telemetry.power.rapl import POWERCAP, Rapl
from xapp.telemetry.power.vcgencmd import Vcgencmd, find_vcgencmd

SYS = Path("/sys")


def makers(root: Path, firmware: Vcgencmd | None, sensor: str) -> Mapping[str, Callable[[], EnergyMeter]]:
    """By name, the best first: a monitor of the supply sees the whole board."""
    return {
        "ina": lambda: Ina(root / HWMON, sensor),
        "pmic": lambda: Pmic(rails_of(firmware)),
        "rapl": lambda: Rapl(root / POWERCAP),
    }


def find_energy_meter(
    kind: str = "auto", root: Path = SYS, firmware: Vcgencmd | None = None, sensor: str = ""
) -> EnergyMeter:
    """The meter of this `kind`, or the first that answers. Raises NoMeter with every reason."""
    known = makers(root, firmware or find_vcgencmd(), sensor)
    reasons = []
    for name in known if kind == "auto" else [kind]:
        try:
            return known[name]()
        except NoMeter as reason:
            reasons.append(str(reason))
    raise NoMeter("; ".join(reasons))
