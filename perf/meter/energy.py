"""Energy, where the machine has a meter: Intel's and AMD's RAPL counters, a Raspberry Pi 5's PMIC.

Both count the board or the package as a whole, all processes and idling included. Neither sees what
hangs on USB or the losses of the power supply.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

POWERCAP = Path("/sys/class/powercap")
_VCIO = Path("/dev/vcio")
_RAIL = re.compile(r"^\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=([0-9.]+)[AV]\s*$")
_MICRO = 1e-6
_TIMEOUT_S = 2.0


class NoMeter(Exception):
    """There is no such meter here, or it cannot be read; the message says why."""


class EnergyMeter(Protocol):
    """Counts joules from its making on. Read it at least twice a second: one kind integrates power."""

    @property
    def name(self) -> str:
        """What it is and which rails it adds up."""
        ...

    def joules(self) -> float:
        """So far. Raises NoMeter when it has stopped answering."""
        ...


def find_energy_meter() -> EnergyMeter:
    """The one this machine has. Raises NoMeter with every reason."""
    reasons = []
    for make in (lambda: Rapl(POWERCAP), lambda: Pmic(vcgencmd_rails)):
        try:
            return make()
        except NoMeter as reason:
            reasons.append(str(reason))
    raise NoMeter("; ".join(reasons))


class Rapl:
    """The counters of the CPU packages and, where there are such, of the memory beside them."""

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
        return (folder / "name").read_text().strip()
    except OSError:
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
            return int((self._folder / file).read_text())
        except PermissionError as error:
            raise NoMeter("RAPL counters are there, but only root may read them") from error
        except (OSError, ValueError) as error:
            raise NoMeter(f"RAPL counter {self.name} cannot be read: {error}") from error


class Pmic:
    """The power management chip of a Raspberry Pi 5: power of its rails, integrated by trapezoids.

    `read` returns what `vcgencmd pmic_read_adc` prints. Raises NoMeter when it fails.
    """

    def __init__(self, read: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._total = 0.0
        self._watts = watts_of(read())
        self._at = clock()
        self.name = "Raspberry Pi 5 PMIC: all rails with a current"

    def joules(self) -> float:
        """So far. Raises NoMeter."""
        watts, at = watts_of(self._read()), self._clock()
        self._total += (watts + self._watts) / 2 * (at - self._at)
        self._watts, self._at = watts, at
        return self._total


def watts_of(rails: str) -> float:
    """Σ volt × ampere over the rails that have both. Raises NoMeter without any."""
    values = {
        (found[1], found[2]): float(found[3]) for line in rails.splitlines() if (found := _RAIL.match(line))
    }
    both = [name for name, kind in values if kind == "A" and (name, "V") in values]
    if not both:
        raise NoMeter("vcgencmd pmic_read_adc tells no current: not a Raspberry Pi 5")
    return sum(values[name, "A"] * values[name, "V"] for name in both)


def vcgencmd_rails() -> str:
    """What the PMIC tells now. Raises NoMeter."""
    command = shutil.which("vcgencmd")
    if command is None or not _VCIO.exists():
        raise NoMeter("no vcgencmd (not a Raspberry Pi)")
    try:
        done = subprocess.run(
            [command, "pmic_read_adc"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoMeter(f"vcgencmd pmic_read_adc fails: {error}") from error
    return done.stdout
