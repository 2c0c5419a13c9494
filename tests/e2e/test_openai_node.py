"""OpenAI's client for Node, unchanged, against a real server with the default model."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.gateways import LiveGateway

pytestmark = pytest.mark.slow
MODEL = "smollm2-135m-q4_1"
PROGRAM = Path(__file__).with_name("openai_node.mjs")
CLIENT = "openai@6"
NPM_S, NODE_S = 100, 60


@pytest.fixture(scope="module")
def node_client(user_cache: Path) -> Path:
    """The folder with the client, fetched once on a machine."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no Node on this machine")
    folder = user_cache / "genai-xapp" / "programs" / "openai-node"
    if not (folder / "node_modules" / "openai").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
        command = ["npm", "install", *options, CLIENT]
        done = subprocess.run(command, capture_output=True, text=True, timeout=NPM_S, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot fetch {CLIENT}: {done.stderr[-200:]}")
    return folder


def test_the_client_for_node(node_client: Path, live_gateway: LiveGateway) -> None:
    command = ["node", str(PROGRAM), live_gateway.url, MODEL, str(node_client)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=NODE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ok"
