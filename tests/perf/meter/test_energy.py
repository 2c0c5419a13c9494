from pathlib import Path

import pytest

from perf.meter.energy import NoMeter, Pmic, Rapl, watts_of

RAILS = """\
   VDD_CORE_A current(7)=2.00000000A
    3V3_SYS_A current(1)=0.50000000A
   VDD_CORE_V volt(15)=0.90000000V
    3V3_SYS_V volt(9)=3.30000000V
     EXT5V_V volt(24)=5.10000000V
"""


def domain(root: Path, folder: str, name: str, microjoules: int, limit: int = 1000) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{limit}\n")
    return path


def test_packages_and_memory_are_added_parts_are_not(tmp_path: Path) -> None:
    package = domain(tmp_path, "intel-rapl:0", "package-0", 100)
    memory = domain(tmp_path, "intel-rapl:0:1", "dram", 10)
    core = domain(tmp_path, "intel-rapl:0:0", "core", 0)
    whole = domain(tmp_path, "intel-rapl:1", "psys", 0)
    meter = Rapl(tmp_path)
    for path, value in ((package, 400), (memory, 30), (core, 900), (whole, 900)):
        (path / "energy_uj").write_text(str(value))
    assert meter.joules() == pytest.approx(320e-6)
    assert meter.name == "RAPL: package-0, dram"


def test_a_counter_begins_again_after_its_range(tmp_path: Path) -> None:
    package = domain(tmp_path, "intel-rapl:0", "package-0", 900, limit=1000)
    meter = Rapl(tmp_path)
    (package / "energy_uj").write_text("50")
    assert meter.joules() == pytest.approx(150e-6)
    (package / "energy_uj").write_text("60")
    assert meter.joules() == pytest.approx(160e-6)


def test_no_counters_is_no_meter(tmp_path: Path) -> None:
    with pytest.raises(NoMeter, match="no RAPL counters"):
        Rapl(tmp_path / "powercap")


def test_a_counter_that_cannot_be_read_is_no_meter(tmp_path: Path) -> None:
    package = domain(tmp_path, "intel-rapl:0", "package-0", 900)
    (package / "energy_uj").unlink()
    with pytest.raises(NoMeter, match="package-0 cannot be read"):
        Rapl(tmp_path)


def test_power_is_the_sum_of_rails_with_volt_and_ampere() -> None:
    assert watts_of(RAILS) == pytest.approx(2 * 0.9 + 0.5 * 3.3)


@pytest.mark.parametrize("printed", ["", "EXT5V_V volt(24)=5.1V\n", "Command not registered\n"])
def test_rails_without_a_current_are_no_meter(printed: str) -> None:
    with pytest.raises(NoMeter, match="not a Raspberry Pi 5"):
        watts_of(printed)


def test_power_is_integrated_by_trapezoids() -> None:
    printed = iter([1.0, 3.0, 3.0])
    times = iter([0.0, 1.0, 3.0])
    meter = Pmic(lambda: f"X_A current(1)={next(printed)}A\nX_V volt(2)=1.0V", lambda: next(times))
    assert meter.joules() == pytest.approx(2.0)
    assert meter.joules() == pytest.approx(8.0)
