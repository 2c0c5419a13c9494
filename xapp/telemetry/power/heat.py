"""Temperature and throttling, from the kernel's thermal zones and a Raspberry Pi's firmware."""

from collections.abc import Iterator
from pathlib import Path

from xapp.telemetry.power.small_file import read_number, read_small
from xapp.telemetry.power.vcgencmd import FirmwareError, Vcgencmd

THERMAL = Path("class/thermal")
FIRMWARE_WORD = Path("devices/platform/soc/soc:firmware/get_throttled")
THROTTLED_NOW = 0xF
"""The low bits of the firmware's word: present limits of the clock. The high bits are history."""
PI_LIMIT_CELSIUS = 80.0
"""A Raspberry Pi's firmware lowers the clock from here on."""
_SENSIBLE = (-60.0, 200.0)


class HeatSensors:
    """`root` is the kernel's /sys. `limit` overrides the temperature at which the clock is lowered."""

    def __init__(self, root: Path, firmware: Vcgencmd | None, limit: float | None = None) -> None:
        self._zones = sorted((root / THERMAL).glob("thermal_zone*"))
        self._word = root / FIRMWARE_WORD
        self._firmware = firmware
        is_pi = firmware is not None or self._word.exists()
        self.limit_celsius = limit or (PI_LIMIT_CELSIUS if is_pi else _passive_trip(self._zones))

    @property
    def any(self) -> bool:
        """Whether this machine tells anything."""
        return bool(self._zones) or self._firmware is not None or self._word.exists()

    def celsius(self) -> float | None:
        """The hottest zone; None without one."""
        return max(
            (value for zone in self._zones if (value := _celsius(zone / "temp")) is not None), default=None
        )

    def throttled(self) -> bool | None:
        """Whether the board lowers its clock now; None where it does not tell."""
        word = firmware_word(self._word, self._firmware)
        return None if word is None else bool(word & THROTTLED_NOW)


def firmware_word(path: Path, firmware: Vcgencmd | None) -> int | None:
    """The word of get_throttled, from the kernel's file or from the firmware; None without either."""
    try:
        return int(read_small(path), 16)
    except (OSError, ValueError):
        return None if firmware is None else _asked(firmware)


def _asked(firmware: Vcgencmd) -> int | None:
    try:
        return int(firmware.ask("get_throttled").strip().partition("=")[2], 16)
    except (FirmwareError, ValueError):
        return None


def _celsius(path: Path) -> float | None:
    number = read_number(path)
    if number is None or not _SENSIBLE[0] <= number / 1000 <= _SENSIBLE[1]:
        return None
    return number / 1000


def _passive_trip(zones: list[Path]) -> float | None:
    """The lowest temperature at which the kernel lowers the clock."""
    return min((value for zone in zones for value in _passive_trips(zone)), default=None)


def _passive_trips(zone: Path) -> Iterator[float]:
    for kind in zone.glob("trip_point_*_type"):
        try:
            is_passive = read_small(kind) == "passive"
        except (OSError, ValueError):
            continue
        limit = _celsius(kind.with_name(kind.name.replace("_type", "_temp")))
        if is_passive and limit is not None and limit > 0:
            yield limit
