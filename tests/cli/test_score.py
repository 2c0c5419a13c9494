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


def score(node: ScriptedNode, *args: str) -> Result:
    return CliRunner().invoke(main, ["score", "--target", node.target, *args])


def test_a_line_a_choice_and_the_winner_marked(node: ScriptedNode) -> None:
    done = score(node, "--choice", "Yes", "--choice", "No", "--system", "Be brief.", "Is 7 prime?")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("▸   0.7500")
    assert lines[0].endswith("Yes")
    assert lines[1].startswith("    0.2500")
    assert lines[2] == "leads: margin 0.5000"
    (asked,) = node.scored
    assert [message.content for message in asked.chat.messages] == ["Be brief.", "Is 7 prime?"]
    assert not asked.HasField("min_margin")


def test_what_is_asked_arrives(node: ScriptedNode) -> None:
    options = ["--raw", "--normalize", "--min-margin", "0.9", "--tokens", "--priority", "critical"]
    done = score(node, *options, "--choice", " yes", "--choice", " no", "Is it?")
    assert done.exit_code == 3
    assert "abstains" in done.stdout
    assert "▸" not in done.stdout
    assert "' yes'" in done.stdout
    (asked,) = node.scored
    assert (asked.prompt, list(asked.choices)) == ("Is it?", [" yes", " no"])
    assert (asked.normalize_by_length, asked.min_margin, asked.include_tokens) == (True, 0.9, True)


def test_json_is_the_answer(node: ScriptedNode) -> None:
    answer = json.loads(score(node, "--json", "--choice", "a", "hi").stdout)
    assert answer["winner"] == 0
    assert answer["choices"][0]["choice"] == "a"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("hi",), "--choice"),
        (("--raw", "--system", "x", "--choice", "a", "hi"), "chat template"),
    ],
)
def test_wrong_usage_is_exit_code_2(node: ScriptedNode, args: tuple[str, ...], says: str) -> None:
    done = score(node, *args)
    assert done.exit_code == 2
    assert says in done.stderr


def test_choices_are_given_one_by_one_or_in_a_list(node: ScriptedNode) -> None:
    for args in (("--choice", "a", "--choice", "b"), ("--choices", "a,b")):
        assert score(node, *args, "hi").exit_code == 0
    assert [list(asked.choices) for asked in node.scored] == [["a", "b"], ["a", "b"]]


def test_without_choices_it_says_how_to_give_them(node: ScriptedNode) -> None:
    done = score(node, "hi")
    assert (done.exit_code, "--choices A,B" in done.stderr, node.scored) == (2, True, [])
