"""`genai-xapp embed` and `genai-xapp rerank` against a scripted node."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.scripted_node import ScriptedNode, scripted_node
from xapp.cli import main
from xapp.inference.v1 import embedding_pb2 as pb


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


def run(node: ScriptedNode, command: str, *args: str, text: str = "") -> Result:
    return CliRunner().invoke(main, [command, "--target", node.target, *args], input=text)


def test_a_line_a_text_with_its_likeness_to_the_first(node: ScriptedNode) -> None:
    done = run(node, "embed", "abc", "a much longer text")
    assert done.exit_code == 0
    head, first, second = done.stdout.splitlines()
    assert head == "e: 2 numbers, 6 tokens"
    assert first.split()[:3] == ["1.0000", "3.0000", "1.0000"]
    assert "7 tokens lost" in second


def test_what_is_asked_arrives(node: ScriptedNode, tmp_path: Path) -> None:
    file = tmp_path / "texts"
    file.write_text("one\n\n  \ntwo\n")
    options = ["--role", "passage", "--truncate", "end", "--raw", "--dimensions", "2", "--priority", "batch"]
    assert run(node, "embed", *options, "--file", str(file), "zero").exit_code == 0
    (asked,) = node.embedded
    assert list(asked.texts) == ["zero", "one", "two"]
    assert (asked.role, asked.truncation) == (pb.TEXT_ROLE_PASSAGE, pb.TRUNCATION_END)
    assert (asked.normalize, asked.dimensions) == (False, 2)


def test_texts_may_come_from_a_pipe(node: ScriptedNode) -> None:
    done = run(node, "embed", "--json", "--file", "-", text="a\nbc\n")
    assert json.loads(done.stdout)["embeddings"][1]["values"] == [2.0, 1.0]


def test_documents_by_relevance(node: ScriptedNode) -> None:
    done = run(node, "rerank", "--top", "2", "query", "a", "abc", "ab")
    head, first, second = done.stdout.splitlines()
    assert head == "r: by cross encoder, 9 tokens"
    assert (first.split()[-1], second.split()[-1]) == ("abc", "ab")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("embed",), "give texts"),
        (("embed", "--file", "/does/not/exist"), "cannot read"),
        (("rerank", "query"), "give texts"),
        (("embed", "a", "--dimensions", "0"), "--dimensions"),
    ],
)
def test_wrong_usage_is_exit_code_2(node: ScriptedNode, args: tuple[str, ...], says: str) -> None:
    done = run(node, *args)
    assert done.exit_code == 2
    assert says in done.stderr
