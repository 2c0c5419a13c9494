"""The unit for a machine without Kubernetes: what systemd says of it, and what the server needs of it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xapp.config import KEYS, OTHER_KEYS, PREFIX, ServerSettings, load_settings

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
    text = re.sub(r"^(ExecStart(?:Pre)?)=\S+", rf"\1={sys.executable}", UNIT.read_text(), flags=re.M)
    copy.write_text(text)
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


@pytest.mark.parametrize(("pulled", "starts"), [(0, True), (1, False), (2, True)])
def test_the_server_names_a_wrong_setting_and_does_not_start_before_a_model_is_fetched(
    tmp_path: Path, pulled: int, starts: bool
) -> None:
    program = tmp_path / "genai-xapp"
    program.write_text(f"#!/bin/sh\nexit {pulled}\n")
    program.chmod(0o755)
    ((installed, _),) = [value.split() for value in values("ExecStart")]
    (before,) = values("ExecStartPre")
    words = [word.replace("$$", "$") for word in shlex.split(before.replace(installed, str(program)))]
    done = subprocess.run(words, check=False, timeout=60)
    assert (done.returncode == 0) == starts


# ---- the installation by one command

INSTALL = UNIT.parent / "install"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python whose environments have a pip that only writes down what it is asked for."""
    program = tmp_path / "python"
    pip = f'printf "#!/bin/sh\\necho \\"\\$@\\" >> {tmp_path}/pip.log\\n"'
    making = f'mkdir -p "$3/bin" && {pip} > "$3/bin/pip" && chmod +x "$3/bin/pip"'
    program.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then exec {sys.executable} "$@"; fi\n{making}\n')
    program.chmod(0o755)
    return program


def install(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "DESTDIR": str(python.parent / "root"), "PYTHON": str(python)}
    command = [str(INSTALL), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_one_command_installs_the_program_the_unit_and_settings(python: Path) -> None:
    done, root = install(python, "qwen2.5-0.5b"), python.parent / "root"
    assert done.returncode == 0, done.stderr
    (program,) = [value.split()[0] for value in values("ExecStart")]
    assert (root / program.lstrip("/")).parent.joinpath("pip").exists()
    assert (python.parent / "pip.log").read_text().split()[:3] == ["install", "--quiet", "--upgrade"]
    assert (root / "etc/systemd/system" / UNIT.name).read_text() == UNIT.read_text()
    (file,) = [v.partition("=")[2] for v in values("Environment") if v.startswith("XAPP_CONFIG_FILE=")]
    settings = load_settings({"XAPP_CONFIG_FILE": str(root / file.lstrip("/"))})
    assert settings.node.model == "qwen2.5-0.5b"


def test_an_update_keeps_the_settings_and_a_removal_as_well(python: Path) -> None:
    install(python)
    settings = python.parent / "root/etc/genai-xapp/settings.toml"
    settings.write_text('model = "mine.gguf"\n')
    assert install(python, "other").returncode == 0
    assert settings.read_text() == 'model = "mine.gguf"\n'
    assert install(python, "--remove").returncode == 0
    left = {str(path.relative_to(python.parent / "root")) for path in settings.parents[2].rglob("*.*")}
    assert left == {"etc/genai-xapp/settings.toml"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [(["--purge"], 2, "--remove"), (['a"\nhost = "0.0.0.0'], 1, "is no model")],
)
def test_what_is_no_model_installs_nothing(python: Path, arguments: list[str], code: int, says: str) -> None:
    done = install(python, *arguments)
    assert (done.returncode, says in done.stderr) == (code, True)
    assert not (python.parent / "root").exists()


def test_an_old_python_is_named(python: Path) -> None:
    python.write_text("#!/bin/sh\nexit 1\n")
    done = install(python)
    assert done.returncode == 1
    assert "3.11" in done.stderr
