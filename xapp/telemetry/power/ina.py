"""Texas Instruments' INA2xx power monitors, through the kernel's hwmon."""

from pathlib import Path

from xapp.telemetry.power.integral import Integral
from xapp.telemetry.power.meter import NoMeter
from xapp.telemetry.power.small_file import read_number, read_small

HWMON = Path("class/hwmon")
_MICRO = 1e-6


class Ina:
    """`root` is the kernel's hwmon folder. `sensor` is a label or a folder's name, "" for the only one.

    Raises NoMeter without the sensor, and where "" could mean several: one of them may feed another.
    """

    interval_s = 0.25

    def __init__(self, root: Path, sensor: str = "") -> None:
        sensors = _sensors(root)
        if not sensors:
            raise NoMeter("no INA2xx power monitor (the kernel offers none under /sys/class/hwmon)")
        names = ", ".join(sensors)
        if not sensor and len(sensors) > 1:
            raise NoMeter(f"several INA2xx power monitors: name one in XAPP_POWER_SENSOR: {names}")
        name = sensor or next(iter(sensors))
        if name not in sensors:
            raise NoMeter(f"no INA2xx power monitor {name!r}, there are: {names}")
        self._file = sensors[name] / "power1_input"
        self.name = f"INA2xx: {name}"
        self._integral = Integral(self._watts)

    def joules(self) -> float:
        """So far. Raises NoMeter."""
        return self._integral.joules()

    def _watts(self) -> float:
        microwatts = read_number(self._file)
        if microwatts is None:
            raise NoMeter(f"{self._file} cannot be read")
        return microwatts * _MICRO


def _sensors(root: Path) -> dict[str, Path]:
    """The monitors that tell power, by label or folder."""
    folders = sorted(root.glob("hwmon*")) if root.is_dir() else []
    found = [folder for folder in folders if _text(folder / "name").startswith("ina2")]
    return {
        _text(folder / "label") or folder.name: folder
        for folder in found
        if read_number(folder / "power1_input") is not None
    }


def _text(path: Path) -> str:
    try:
        return read_small(path)
    except (OSError, ValueError):
        return ""
