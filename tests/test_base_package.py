"""The base package is the client and the stubs: it must import where the server's packages are absent."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# A distribution's import name, where it is another.
IMPORT_NAMES = {"grpcio-reflection": "grpc_reflection", "llama-cpp-python": "llama_cpp"}
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Blocker())
"""


def server_modules() -> list[str]:
    """What the extra `server` brings and the base package must not need, by import name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=\[;! ]", line)[0] for line in project["optional-dependencies"]["server"]]
    return [IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names]


def run_without_server(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKER + code, ",".join(server_modules())]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_extra_names_what_we_know() -> None:
    assert {"llama_cpp", "numpy", "aiohttp", "msgspec", "psutil"} <= set(server_modules())


@pytest.mark.parametrize(
    "module", ["xapp", "xapp.cli", "xapp.client", "xapp.inference.v1.inference_pb2_grpc", "xapp.errors"]
)
def test_imports_without_the_server_extra(module: str) -> None:
    result = run_without_server(f"import {module}")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", ["", "generate", "metrics"])
def test_help_is_there_without_the_server_extra(command: str) -> None:
    arguments = [*command.split(), "--help"]
    result = run_without_server(f"sys.argv = ['genai-xapp', *{arguments}]\nfrom xapp.cli import main\nmain()")
    assert result.returncode == 0, result.stderr
    assert "Usage: genai-xapp" in result.stdout


def test_serve_names_the_missing_extra() -> None:
    result = run_without_server("sys.argv = ['genai-xapp', 'serve']\nfrom xapp.cli import main\nmain()")
    assert result.returncode != 0
    assert ".[server]" in result.stderr


def test_the_blocker_blocks() -> None:
    result = run_without_server("import msgspec")
    assert "No module named 'msgspec'" in result.stderr
