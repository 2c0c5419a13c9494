"""Made-up boards: a /sys of files, and a stand-in for `vcgencmd` with the faults of a real one."""

from pathlib import Path

_RAILS = {
    "3V7_WL_SW": (0.0907, 3.724),
    "3V3_SYS": (0.0585, 3.315),
    "1V8_SYS": (0.1776, 1.805),
    "DDR_VDD2": (0.0215, 1.111),
    "DDR_VDDQ": (0.0, 0.61),
    "1V1_SYS": (0.1854, 1.106),
    "0V8_SW": (0.3679, 0.8026),
    "VDD_CORE": (2.1064, 0.8911),
    "3V3_DAC": (0.0001, 3.3075),
    "3V3_ADC": (0.0005, 3.3088),
    "0V8_AON": (0.0054, 0.7983),
    "HDMI": (0.0241, 5.0972),
}
"""Amperes and volts of the twelve rails of a Raspberry Pi 5."""
RAILS_W = sum(amperes * volts for amperes, volts in _RAILS.values())


def rails(scale: float = 1.0) -> str:
    """As `vcgencmd pmic_read_adc` prints them, with voltages that have no current at the end."""
    currents = [
        f"{name + '_A':>16} current({number})={amperes * scale:.8f}A"
        for number, (name, (amperes, _)) in enumerate(_RAILS.items())
    ]
    voltages = [
        f"{name + '_V':>16} volt({number})={volts:.8f}V"
        for number, (name, (_, volts)) in enumerate(_RAILS.items())
    ]
    others = ["         EXT5V_V volt(24)=5.10080000V", "          BATT_V volt(25)=0.00000000V"]
    return "\n".join([*currents, *voltages, *others]) + "\n"


RAILS = rails()


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
