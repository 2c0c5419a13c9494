"""Made-up boards: a /sys of files, and a stand-in for `vcgencmd` with the faults of a real one."""

from pathlib import Path

RAILS = """\
   VDD_CORE_A current(7)=2.00000000A
    3V3_SYS_A current(1)=0.50000000A
   VDD_CORE_V volt(15)=0.90000000V
    3V3_SYS_V volt(9)=3.30000000V
     EXT5V_V volt(24)=5.10000000V
"""
"""As a Raspberry Pi 5 prints it, shortened: 3.45 W."""
RAILS_W = 2 * 0.9 + 0.5 * 3.3


class Board:
    """A folder with `sys`, and with a program `vcgencmd`, which prints the files of `firmware`."""

    def __init__(self, folder: Path) -> None:
        self.sys = folder / "sys"
        self.firmware = folder / "firmware"
        self.program = folder / "vcgencmd"
        for path in (self.sys, self.firmware):
            path.mkdir()

    def write(self, path: str, text: str) -> Path:
        """A file of the kernel."""
        file = self.sys / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
        return file

    def zone(self, number: int, celsius: float, kind: str = "cpu-thermal") -> None:
        self.write(f"class/thermal/thermal_zone{number}/type", kind)
        self.write(f"class/thermal/thermal_zone{number}/temp", str(round(celsius * 1000)))

    def trip(self, number: int, kind: str, celsius: float) -> None:
        folder = "class/thermal/thermal_zone0"
        self.write(f"{folder}/trip_point_{number}_type", kind)
        self.write(f"{folder}/trip_point_{number}_temp", str(round(celsius * 1000)))

    def rapl(self, folder: str, name: str, microjoules: int, limit: int = 1000) -> None:
        path = f"class/powercap/{folder}"
        self.write(f"{path}/name", name)
        self.write(f"{path}/energy_uj", str(microjoules))
        self.write(f"{path}/max_energy_range_uj", str(limit))

    def ina(self, number: int, microwatts: int, label: str = "", chip: str = "ina226") -> None:
        folder = f"class/hwmon/hwmon{number}"
        self.write(f"{folder}/name", chip)
        self.write(f"{folder}/power1_input", str(microwatts))
        if label:
            self.write(f"{folder}/label", label)

    def install(self, script: str = 'cat "$(dirname "$0")/firmware/$1"') -> str:
        """The program; by default it prints what the firmware says."""
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)
        return str(self.program)

    def says(self, word: str, text: str) -> None:
        (self.firmware / word).write_text(text)
