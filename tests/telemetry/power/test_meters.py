"""Meters of energy on made-up boards: what they count, and the faults that they survive."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale import examples
from tests.telemetry.power.boards import RAILS, RAILS_W, Board
from xapp.telemetry.power.find import find_energy_meter
from xapp.telemetry.power.ina import HWMON, Ina
from xapp.telemetry.power.integral import MAX_GAP_S, Integral
from xapp.telemetry.power.meter import NoMeter
from xapp.telemetry.power.pmic import Pmic, watts_of
from xapp.telemetry.power.rapl import POWERCAP, Rapl
from xapp.telemetry.power.vcgencmd import Vcgencmd

# ---- RAPL


def test_packages_and_memory_are_added_parts_are_not(board: Board) -> None:
    for folder, name in (("0", "package-0"), ("0:1", "dram"), ("0:0", "core"), ("1", "psys")):
        board.rapl(f"intel-rapl:{folder}", name, 100)
    meter = Rapl(board.sys / POWERCAP)
    for folder, name, value in (("0", "package-0", 400), ("0:1", "dram", 120), ("0:0", "core", 900)):
        board.rapl(f"intel-rapl:{folder}", name, value)
    assert meter.joules() == pytest.approx(320e-6)
    assert meter.name == "RAPL: package-0, dram"


def test_a_counter_begins_again_after_its_range(board: Board) -> None:
    board.rapl("intel-rapl:0", "package-0", 900)
    meter = Rapl(board.sys / POWERCAP)
    board.rapl("intel-rapl:0", "package-0", 50)
    assert meter.joules() == pytest.approx(150e-6)
    board.rapl("intel-rapl:0", "package-0", 60)
    assert meter.joules() == pytest.approx(160e-6)


@settings(max_examples=examples(25))
@given(steps=st.lists(st.integers(0, 999), max_size=30), start=st.integers(0, 999))
def test_no_microjoule_is_lost_over_the_wrap(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], start: int
) -> None:
    board = Board(tmp_path_factory.mktemp("board"))
    board.rapl("intel-rapl:0", "package-0", start)
    meter, total = Rapl(board.sys / POWERCAP), 0
    for step in steps:
        total += step
        board.rapl("intel-rapl:0", "package-0", (start + total) % 1000)
        assert meter.joules() == pytest.approx(total * 1e-6)


def test_no_counters_is_no_meter(board: Board) -> None:
    with pytest.raises(NoMeter, match="no RAPL counters"):
        Rapl(board.sys / POWERCAP)


@pytest.mark.parametrize("content", ["", "garbage", "-5", "1e9", "\udcff", "9" * 5000])
def test_a_counter_with_garbage_is_no_meter_and_then_one_again(board: Board, content: str) -> None:
    board.rapl("intel-rapl:0", "package-0", 100)
    meter = Rapl(board.sys / POWERCAP)
    file = board.sys / POWERCAP / "intel-rapl:0" / "energy_uj"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(NoMeter, match="package-0 cannot be read"):
        meter.joules()
    file.write_text("150")
    assert meter.joules() == pytest.approx(50e-6)


def test_a_counter_that_is_gone_is_no_meter(board: Board) -> None:
    board.rapl("intel-rapl:0", "package-0", 900)
    meter = Rapl(board.sys / POWERCAP)
    (board.sys / POWERCAP / "intel-rapl:0" / "energy_uj").unlink()
    with pytest.raises(NoMeter, match="package-0 cannot be read"):
        meter.joules()


# ---- INA2xx


def test_the_only_monitor_is_the_meter(board: Board) -> None:
    board.ina(0, 4_000_000)
    board.ina(1, 9_000_000, chip="k10temp")
    meter = Ina(board.sys / HWMON)
    assert meter.name == "INA2xx: hwmon0"
    assert meter.joules() >= 0


def test_of_several_monitors_one_must_be_named(board: Board) -> None:
    board.ina(0, 4_000_000, "supply")
    board.ina(1, 1_000_000, "usb")
    with pytest.raises(NoMeter, match="XAPP_POWER_SENSOR: supply, usb"):
        Ina(board.sys / HWMON)
    assert Ina(board.sys / HWMON, "usb").name == "INA2xx: usb"
    with pytest.raises(NoMeter, match="no INA2xx power monitor 'fan'"):
        Ina(board.sys / HWMON, "fan")


def test_a_monitor_that_is_gone_fails(board: Board) -> None:
    board.ina(0, 4_000_000)
    meter = Ina(board.sys / HWMON)
    (board.sys / HWMON / "hwmon0" / "power1_input").unlink()
    with pytest.raises(NoMeter, match="cannot be read"):
        meter.joules()


# ---- PMIC


def test_power_is_the_sum_of_rails_with_volt_and_ampere() -> None:
    assert watts_of(RAILS) == pytest.approx(RAILS_W)


@pytest.mark.parametrize("printed", ["", "EXT5V_V volt(24)=5.1V\n", "Command not registered\n"])
def test_rails_without_a_current_are_no_meter(printed: str) -> None:
    with pytest.raises(NoMeter, match="not a Raspberry Pi 5"):
        watts_of(printed)


@given(st.text(max_size=400))
def test_garbage_is_no_power(printed: str) -> None:
    with pytest.raises(NoMeter):
        watts_of(printed)


@given(st.lists(st.sampled_from(["X_A current(1)=", "X_V volt(2)=", "1.5", "..", "9" * 20, "A", "V", "\n"])))
def test_near_garbage_is_no_power_or_a_sensible_one(pieces: list[str]) -> None:
    with suppress(NoMeter):
        assert 0 <= watts_of("".join(pieces)) <= 1000


def test_power_is_integrated_by_trapezoids() -> None:
    printed = iter([1.0, 3.0, 3.0])
    times = iter([0.0, 1.0, 3.0])
    meter = Pmic(lambda: f"X_A current(1)={next(printed)}A\nX_V volt(2)=1.0V", lambda: next(times))
    assert meter.joules() == pytest.approx(2.0)
    assert meter.joules() == pytest.approx(8.0)


def test_the_energy_over_a_gap_or_a_failure_is_not_counted() -> None:
    times = iter([0.0, 1.0, 1.0 + MAX_GAP_S + 1, MAX_GAP_S + 3, MAX_GAP_S + 4])
    watts = iter([2.0, 2.0, 2.0, 2.0, float("nan"), 2.0, 2.0])

    meter = Integral(lambda: next(watts), lambda: next(times))
    assert [meter.joules() for _ in range(3)] == [2.0, 2.0, 4.0]
    with pytest.raises(NoMeter):
        meter.joules()
    assert meter.joules() == 4.0


# ---- which one


def test_the_first_meter_that_answers_is_taken(board: Board) -> None:
    board.rapl("intel-rapl:0", "package-0", 1)
    assert find_energy_meter(root=board.sys).name.startswith("RAPL")
    board.says("pmic_read_adc", RAILS)
    firmware = Vcgencmd(board.install())
    assert find_energy_meter(root=board.sys, firmware=firmware).name.startswith("Raspberry Pi 5")
    board.ina(0, 4_000_000)
    assert find_energy_meter(root=board.sys, firmware=firmware).name.startswith("INA2xx")
    assert find_energy_meter("rapl", board.sys, firmware).name.startswith("RAPL")


def test_without_a_meter_every_reason_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoMeter, match=r"INA2xx.*vcgencmd.*RAPL"):
        find_energy_meter(root=tmp_path)
