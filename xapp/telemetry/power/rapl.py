"""Intel's and AMD's RAPL counters: the CPU packages and, where there are such, the memory beside them."""

from pathlib import Path

from xapp.telemetry.power.meter import NoMeter
from xapp.telemetry.power.small_file import read_small

POWERCAP = Path("class/powercap")
_MICRO = 1e-6
_MOST = 1 << 64
"""No counter of the kernel is larger."""


class Rapl:
    """`root` is the kernel's powercap folder. Raises NoMeter without a counter that can be read."""

    interval_s = 0.25

    def __init__(self, root: Path) -> None:
        self._counters = [_Counter(folder) for folder in _domains(root)]
        if not self._counters:
            raise NoMeter("no RAPL counters (the kernel offers none under /sys/class/powercap)")
        self.name = f"RAPL: {', '.join(counter.name for counter in self._counters)}"

    def joules(self) -> float:
        """So far. Raises NoMeter."""
        return sum(counter.joules() for counter in self._counters)


def _domains(root: Path) -> list[Path]:
    """Packages and memory. `core` and `uncore` are parts of a package; `psys` would count it again."""
    folders = sorted(root.glob("*-rapl:*")) if root.is_dir() else []
    return [folder for folder in folders if _name(folder).startswith(("package", "dram"))]


def _name(folder: Path) -> str:
    try:
        return read_small(folder / "name")
    except (OSError, ValueError):
        return ""


class _Counter:
    """One counter of microjoules, which begins again at 0 after its range."""

    def __init__(self, folder: Path) -> None:
        self.name = _name(folder)
        self._folder = folder
        self._last = self._read("energy_uj")
        self._range = self._read("max_energy_range_uj")
        self._total = 0

    def joules(self) -> float:
        now = self._read("energy_uj")
        self._total += now - self._last if now >= self._last else now + self._range - self._last
        self._last = now
        return self._total * _MICRO

    def _read(self, file: str) -> int:
        try:
            value = int(read_small(self._folder / file))
        except PermissionError as error:
            raise NoMeter("RAPL counters are there, but only root may read them") from error
        except (OSError, ValueError) as error:
            raise NoMeter(f"RAPL counter {self.name} cannot be read: {error}") from error
        if not 0 <= value <= _MOST:
            raise NoMeter(f"RAPL counter {self.name} cannot be read: {file} has no sensible number")
        return value
