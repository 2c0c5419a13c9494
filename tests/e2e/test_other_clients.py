"""Programs of others, unchanged, pointed at a real node by their own settings: `llm`, and pydantic-ai.

They live in an environment of their own, with other packages than the node's: locked in
requirements/clients.txt, installed once on a machine.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.gateways import KEY, LiveGateway

pytestmark = pytest.mark.slow
MODEL = "smollm2-135m-q4_1"
PROGRAMS = Path(__file__).with_name("other_clients")
LOCK = Path(__file__).parents[2] / "requirements" / "clients.txt"
UV = Path(sys.executable).parent / "uv"
INSTALL_S, CALL_S = 100, 60


@pytest.fixture(scope="module")
def programs(user_cache: Path) -> Path:
    """The folder with the environment's programs."""
    name = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = user_cache / "genai-xapp" / "programs" / f"clients-{name}"
    whole = folder / "installed"
    if not whole.is_file():
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        python = ("--python", str(folder / "bin" / "python"))
        _uv("pip", "install", *python, "--require-hashes", "--compile-bytecode", "-r", str(LOCK))
        whole.touch()
    return folder / "bin"


def _uv(*arguments: str) -> None:
    command = [str(UV), "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if "Failed to fetch" in done.stderr or "error sending request" in done.stderr:
        pytest.skip("the clients cannot be fetched: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr


def run(*command: str | Path, stdin: str = "", **environ: str) -> str:
    done = subprocess.run(
        [str(each) for each in command],
        env=os.environ | {"PYTHONPATH": ""} | environ,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_agent_streams_and_calls_its_tool(programs: Path, live_gateway: LiveGateway) -> None:
    where = {"OPENAI_BASE_URL": f"{live_gateway.url}/v1", "OPENAI_API_KEY": KEY}
    said = run(programs / "python", PROGRAMS / "agent_caller.py", MODEL, **where)
    assert said.splitlines() == ["streamed", "called"]


@pytest.fixture
def llm_folder(live_gateway: LiveGateway, tmp_path: Path) -> Path:
    """The settings of `llm` that point it at the node."""
    model = {"model_id": "node", "model_name": MODEL, "api_base": f"{live_gateway.url}/v1"}
    settings = [model | {"supports_tools": True, "supports_schema": True}]
    # JSON is YAML.
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(settings))
    return tmp_path


def test_llm_answers_by_a_schema(programs: Path, llm_folder: Path) -> None:
    schema = ("--schema", "cell, load int")
    options = ("-m", "node", "-o", "temperature", "0", "-o", "max_tokens", "60")
    said = run(programs / "llm", *options, *schema, "Cell C12 is loaded.", LLM_USER_PATH=str(llm_folder))
    assert json.loads(said).keys() == {"cell", "load"}


def test_llm_streams_and_offers_its_tool(programs: Path, llm_folder: Path) -> None:
    said = run(programs / "python", PROGRAMS / "llm_caller.py", "node", LLM_USER_PATH=str(llm_folder))
    assert said.splitlines() == ["streamed", "tools"]
