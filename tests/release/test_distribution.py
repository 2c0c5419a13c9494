"""The wheel and the sdist, as a user without this repository gets them."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.release.test_version import ROOT, VERSION
from tests.uv import uv

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory, user_cache: Path) -> Path:
    """Built from the files of the commit and of the work tree, and from nothing that a build left behind."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a repository: only tracked files are built")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    uv("build", "--quiet", "--out-dir", str(out), str(source), XDG_CACHE_HOME=str(user_cache))
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (wheel,) = dist.glob("*.whl")
    return wheel


def test_their_names_have_the_version(dist: Path) -> None:
    names = {path.name for path in dist.iterdir() if path.suffix in {".whl", ".gz"}}
    assert names == {f"genai_xapp-{VERSION}-py3-none-any.whl", f"genai_xapp-{VERSION}.tar.gz"}


def test_both_have_what_the_program_reads(dist: Path, wheel: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    wanted = {"xapp/models/catalogue.toml", "xapp/py.typed", "xapp/inference/v1/inference_pb2.pyi"}
    wanted |= {str(path.relative_to(ROOT)) for path in (ROOT / "xapp" / "tasks" / "shipped").glob("*.yaml")}
    assert wanted <= in_wheel
    assert wanted | {"LICENSE", "pyproject.toml"} <= in_sdist


def test_the_client_installs_without_a_compiler(wheel: Path, tmp_path: Path, user_cache: Path) -> None:
    """No package of the base is built: each comes as a wheel."""
    cache, python = {"XDG_CACHE_HOME": str(user_cache)}, tmp_path / "venv" / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"), **cache)
    uv("pip", "install", "--quiet", "--python", str(python), "--only-binary", ":all:", str(wheel), **cache)
    code = "import xapp.client, importlib.util as u; print(u.find_spec('llama_cpp'), u.find_spec('aiohttp'))"
    assert _run(str(python), "-c", code, cwd=tmp_path) == "None None\n"
    command = str(python.parent / "genai-xapp")
    assert _run(command, "--version", cwd=tmp_path) == f"genai-xapp {VERSION}, llama-cpp-python none\n"
    assert "Usage: genai-xapp chat" in _run(command, "chat", "--help", cwd=tmp_path)


def test_the_command_runs_without_an_installation(wheel: Path, user_cache: Path) -> None:
    """As `pipx run --spec WHEEL genai-xapp` does."""
    said = uv("tool", "run", "--from", str(wheel), "genai-xapp", "--version", XDG_CACHE_HOME=str(user_cache))
    assert said.startswith(f"genai-xapp {VERSION}")


def test_the_server_installs_and_answers(
    wheel: Path, tmp_path: Path, user_cache: Path, default_model_path: Path
) -> None:
    """With the wheel of llama.cpp that this machine has: to compile it again would take minutes."""
    compiled = [file.parent for file in (user_cache / "genai-xapp" / "wheels").glob("*/*.whl")]
    if not compiled:
        pytest.skip("llama.cpp was not compiled on this machine")
    cache, python = {"XDG_CACHE_HOME": str(user_cache)}, tmp_path / "venv" / "bin" / "python"
    links = [part for folder in compiled for part in ("--find-links", str(folder))]
    uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"), **cache)
    uv("pip", "install", "--quiet", "--python", str(python), *links, f"{wheel}[server]", **cache)
    command = str(python.parent / "genai-xapp")
    assert "llama-cpp-python 0." in _run(command, "--version", cwd=tmp_path)
    asked = ("demo", "--model", str(default_model_path), "--max-tokens", "8")
    shown = _run(command, *asked, cwd=tmp_path, XAPP_SURVEY="false")
    assert "tokens/s" in shown


def _run(*command: str, cwd: Path, **settings: str) -> str:
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | settings
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
