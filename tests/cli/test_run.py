"""`genai-xapp run`: where the answer comes from, and what is left behind."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.models.gguf_file import gguf_bytes
from tests.models.hub_stand_in import StandIn, serving
from tests.scripted_node import ScriptedNode, scripted_node
from xapp.cli import main
from xapp.models.pull import pull

AWAY = "127.0.0.1:1"


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


def run(*args: str, folder: Path, question: str = "hi") -> Result:
    runner = CliRunner(env={"XAPP_MODELS_DIR": str(folder), "HF_HUB_OFFLINE": "1"})
    return runner.invoke(main, ["run", *args], input=question)


@pytest.mark.parametrize(("name", "said"), [("m", "serves m"), ("on-disk", "loads on-disk")])
def test_a_node_that_has_the_model_answers(node: ScriptedNode, name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.gguf").touch()
    result = run(name, "--target", node.target, folder=tmp_path)
    assert (result.exit_code, result.stdout) == (0, "Hello wörld\n")
    assert f"{node.target} {said}" in result.stderr
    assert node.requests[0].model == name


def test_a_model_of_the_hub_is_fetched_once_by_its_name_there(
    node: ScriptedNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "hf:owner/repository/m.gguf"
    with serving(StandIn(files={"owner/repository/m.gguf": gguf_bytes()})) as hub:
        # The hub's library reads HF_ENDPOINT once, when it is imported.
        monkeypatch.setattr("xapp.models.pull.pull", partial(pull, endpoint=hub.endpoint))
        num_asked = []
        for _ in range(2):
            result = run(name, "--target", node.target, folder=tmp_path)
            assert (result.exit_code, result.stdout) == (0, "Hello wörld\n"), result.output
            num_asked.append(len(hub.log))
    assert num_asked[0] == num_asked[1] > 0
    assert [request.model for request in node.requests] == ["m", "m"]


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    result = run("./none.gguf", folder=tmp_path)
    assert result.exit_code == 1
    assert "none.gguf does not exist" in result.stderr


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    result = run("smolm2-135m-q4_1", folder=tmp_path)
    assert result.exit_code == 1
    assert "smollm2-135m-q4_1" in result.stderr


def test_a_file_that_is_no_model_says_what_the_server_said(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(40))
    result = run("broken", "--target", AWAY, folder=tmp_path)
    assert result.exit_code == 1
    assert "The server's last words" in result.stderr


@pytest.mark.slow
def test_one_command_to_the_first_token(default_model_path: Path) -> None:
    folder = default_model_path.parent
    result = run("smollm2-135m-q4_1", "--target", AWAY, "--max-tokens", "8", "--stats", folder=folder)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip()
    assert "starting a server of smollm2-135m-q4_1" in result.stderr
    assert "8 tokens" in result.stderr
