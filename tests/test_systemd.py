"""The unit for a machine without Kubernetes: what systemd says of it, and what the server needs of it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xapp.config import KEYS, OTHER_KEYS, PREFIX, ServerSettings

UNIT = Path(__file__).resolve().parent.parent / "systemd" / "genai-xapp.service"
MAX_EXPOSURE = 20
"""Tenths, of 0 to 100: systemd calls that OK."""
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there: systemd looks for it."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.M))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@needs_systemd
def test_systemd_understands_every_line(unit: Path) -> None:
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_it_is_closed(unit: Path) -> None:
    done = analyze("security", "--no-pager", "--offline=true", f"--threshold={MAX_EXPOSURE}", str(unit))
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_it_names_settings_that_there_are() -> None:
    keys = {value.partition("=")[0] for value in values("Environment")}
    known = {key.variable for key in KEYS} | OTHER_KEYS
    assert {key for key in keys if key.startswith(PREFIX)} <= known


def test_streams_have_their_time_before_they_are_killed() -> None:
    (stop,) = values("TimeoutStopSec")
    assert float(stop.removesuffix("s")) > ServerSettings().grace_period_s
    assert values("KillMode") == ["mixed"], "a worker that gets SIGTERM as well ends its streams"


def test_a_lost_worker_and_a_wrong_setting_are_no_loop() -> None:
    assert values("OOMPolicy") == ["continue"]
    assert values("RestartPreventExitStatus") == ["2"]
