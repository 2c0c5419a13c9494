"""`tasks`, `generate --record` and `replay`, against a node that does what a test wrote down."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.scripted_node import ScriptedNode, bad_field, chunk, finished, scripted_node, started
from tests.tasks.test_parse import GENERATE
from xapp.cli import main

MADE_BY: dict[str, Any] = {
    "model_digest": "sha256:1",
    "task": "triage@2",
    "prompt_hash": "sha256:2",
    "seed": 7,
    "build": "b1",
}


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def answer(*texts: str, **changes: object) -> list[Any]:
    return [started(7), *map(chunk, texts), finished(**{**MADE_BY, **changes})]


# ---- tasks


def test_the_tasks_of_a_node(node: ScriptedNode) -> None:
    result = invoke("tasks", "list", "--target", node.target)
    assert "triage@2  generate(line: string, n: integer?)\n    What is wrong." in result.output
    lines = invoke("tasks", "list", "--json", "--target", node.target).output.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["triage", "class"]


def test_a_task_is_run_with_its_inputs(node: ScriptedNode) -> None:
    inputs = '{"line": "fan stopped", "n": 3}'
    result = invoke(
        "tasks", "run", "triage@2", "--inputs", inputs, "--measured-at", "10.5", "--target", node.target
    )
    assert result.output == "Hello wörld\n"
    (request,) = node.requests
    assert (request.task, request.inputs["line"], request.inputs["n"]) == ("triage@2", "fan stopped", 3)
    assert request.input_timestamp.ToMilliseconds() == 10_500
    assert request.WhichOneof("input") is None


def test_inputs_are_measured_now_unless_said(node: ScriptedNode) -> None:
    invoke("tasks", "run", "triage", "--target", node.target)
    assert node.requests[0].HasField("input_timestamp")


@pytest.mark.parametrize("inputs", ["{", "[1]", "3"])
def test_inputs_that_are_no_object(inputs: str) -> None:
    result = invoke("tasks", "run", "triage", "--inputs", inputs)
    assert result.exit_code == 2
    assert "--inputs" in result.output


def test_files_are_checked(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GENERATE)
    bad.write_text(GENERATE.replace("{{ line }}", "{{ lime }}").replace("triage", "other"))
    assert invoke("tasks", "check", str(good)).output == "good.yaml: triage@2 is good\n"
    result = invoke("tasks", "check", str(good), str(bad))
    assert result.exit_code == 1
    assert "bad.yaml: prompt: names 'lime', which is no input" in result.output


# ---- records


def record(node: ScriptedNode, file: Path, *args: str) -> Result:
    return invoke("generate", "hi", "--record", str(file), "--target", node.target, *args)


def replay(node: ScriptedNode, file: Path) -> Result:
    return invoke("replay", str(file), "--target", node.target)


def test_the_same_answer_again(node: ScriptedNode, tmp_path: Path) -> None:
    node.script = [answer("Hello", " wörld")]
    file = tmp_path / "r.json"
    assert record(node, file, "--temperature", "0.5").exit_code == 0
    result = replay(node, file)
    assert (result.exit_code, result.output) == (0, "same: 11 characters\n")
    first, second = node.requests
    assert not first.sampling.HasField("seed")
    assert second.sampling.seed == 7
    assert second.chat == first.chat


@pytest.mark.parametrize(
    ("args", "recorded"), [((), True), (("--deterministic",), True), (("--no-deterministic",), False)]
)
def test_answers_are_recorded_and_replayed_as_deterministic_requests(
    node: ScriptedNode, tmp_path: Path, args: tuple[str, ...], recorded: bool
) -> None:
    node.script = [answer("Hello"), answer("Help!")]
    file = tmp_path / "r.json"
    record(node, file, *args)
    result = replay(node, file)
    assert [request.deterministic for request in node.requests] == [recorded, True]
    assert ("--no-deterministic" in result.output) == (not recorded)


def test_without_a_record_no_request_is_deterministic_unless_it_is_said(node: ScriptedNode) -> None:
    for args in ((), ("--deterministic",)):
        node.script = [answer("Hello")]
        invoke("generate", "hi", "--target", node.target, *args)
        invoke("tasks", "run", "triage", "--target", node.target, *args)
    assert [request.deterministic for request in node.requests] == [False, False, True, True]


def test_another_answer(node: ScriptedNode, tmp_path: Path) -> None:
    node.script = [answer("Hello"), answer("Help!")]
    file = tmp_path / "r.json"
    record(node, file)
    result = replay(node, file)
    assert result.exit_code == 1
    assert result.output == "different from character 4: recorded 'lo', now 'p!'\n"


@pytest.mark.parametrize("changed", ["model_digest", "build", "prompt_hash"])
def test_another_node(node: ScriptedNode, tmp_path: Path, changed: str) -> None:
    node.script = [answer("Hello"), answer("Hello", **{changed: "new"})]
    file = tmp_path / "r.json"
    record(node, file)
    result = replay(node, file)
    assert result.exit_code == 2
    assert f"other {changed}: recorded {MADE_BY[changed]}, now new\nsame: 5 characters" in result.output


def test_a_replay_that_fails(node: ScriptedNode, tmp_path: Path) -> None:
    node.script = [answer("Hello"), [bad_field("max_tokens")]]
    file = tmp_path / "r.json"
    record(node, file)
    result = replay(node, file)
    assert result.exit_code == 3
    assert "INVALID_ARGUMENT" in result.output


def test_a_task_is_replayed_in_its_version_with_fresh_inputs(node: ScriptedNode, tmp_path: Path) -> None:
    node.script = [answer("Hello")]
    file = tmp_path / "r.json"
    request = {"task": "triage@2", "inputs": {"line": "x"}, "input_timestamp": "1970-01-01T00:00:10Z"}
    file.write_text(json.dumps({"request": request, "provenance": MADE_BY, "text": "Hello"}))
    assert replay(node, file).exit_code == 0
    assert node.requests[0].task == "triage@2"
    assert node.requests[0].input_timestamp.seconds > 1_000_000


def test_a_task_is_recorded_as_it_was_asked_and_replayed(node: ScriptedNode, tmp_path: Path) -> None:
    node.script = [answer("Hello"), answer("Hello")]
    file = tmp_path / "r.json"
    inputs = ("--inputs", '{"line": "fan stopped"}')
    ran = invoke("tasks", "run", "triage", *inputs, "--record", str(file), "--target", node.target)
    assert (ran.exit_code, ran.output) == (0, "Hello\n")
    assert json.loads(file.read_text())["request"]["task"] == "triage@2"
    assert replay(node, file).output == "same: 5 characters\n"
    asked, again = node.requests
    assert (asked.task, again.task) == ("triage", "triage@2")
    assert again.inputs == asked.inputs


def test_scores_are_not_recorded(node: ScriptedNode, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    result = invoke("tasks", "run", "class", "--record", str(file), "--target", node.target)
    assert result.exit_code == 2
    assert "only answers are recorded" in result.output
    assert not file.exists()
    assert node.requests == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"request": {}}', '{"request": {"colour": 1}, "provenance": {}}']
)
def test_what_is_no_record(tmp_path: Path, text: str) -> None:
    file = tmp_path / "r.json"
    file.write_text(text)
    result = invoke("replay", str(file))
    assert result.exit_code == 3
    assert "is no record of an answer" in result.output


def test_a_node_that_tells_no_provenance(node: ScriptedNode, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    result = record(node, file)
    assert result.exit_code == 1
    assert not file.exists()
