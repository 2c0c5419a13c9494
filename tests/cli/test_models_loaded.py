"""`models load` and `models unload`, against a node that does what it is told."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from tests.scripted_node import ScriptedNode, scripted_node
from xapp.cli import main


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


def invoke(node: ScriptedNode, *args: str) -> Result:
    return CliRunner().invoke(main, ["models", *args, "--target", node.target])


def test_a_model_is_loaded_and_what_it_takes_is_said(node: ScriptedNode) -> None:
    result = invoke(node, "load", "qwen")
    assert (result.exit_code, result.stdout) == (0, "qwen is loaded: 4 slots of 1024 tokens, 2 MB\n")


def test_load_for_scripts(node: ScriptedNode) -> None:
    model = json.loads(invoke(node, "load", "qwen", "--json").stdout)
    assert (model["name"], model["state"], model["numSlots"]) == ("qwen", "MODEL_STATE_READY", 4)


def test_a_model_is_unloaded(node: ScriptedNode) -> None:
    assert invoke(node, "unload", "qwen").stdout == "qwen is unloaded\n"
    assert json.loads(invoke(node, "unload", "qwen", "--json").stdout)["state"] == "MODEL_STATE_AVAILABLE"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (("load", "absent"), "NOT_FOUND: no model 'absent'"),
        (("unload", "m"), "FAILED_PRECONDITION: m is the default model"),
    ],
)
def test_what_the_node_refuses_is_one_line(node: ScriptedNode, command: tuple[str, str], error: str) -> None:
    result = invoke(node, *command)
    assert (result.exit_code, result.stderr.strip()) == (1, error)
