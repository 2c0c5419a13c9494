"""A node that breaks off, or sends what is none: no command ends with a traceback, no part looks whole."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.scripted_node import ANSWER, ScriptedNode, Step, chunk, finished, scripted_node, started
from xapp.cli import main
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import models_pb2

RECORD = {
    "request": {"prompt": "hi", "input_timestamp": "2020-01-01T00:00:00Z"},
    "provenance": {"prompt_hash": "h"},
    "text": "Hello",
}
ASKING = (
    ["chat", "--stats"],
    ["run", "m", "--stats"],
    ["generate", "hi", "--stats"],
    ["tasks", "run", "triage"],
)
CUT: dict[str, Sequence[Step]] = {
    "in the middle": [started(), chunk("Hello")],
    "before the text": [started()],
    "at once": [],
}


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


def lies() -> pb.GenerateResponse:
    """An end in which no number means anything."""
    response = finished(prompt_hash="h")
    end = response.finished
    end.finish_reason = 77  # type: ignore[assignment]
    end.timing.decode.seconds, end.timing.decode.nanos = 2**62, -5
    end.usage.num_completion_tokens = -(2**31)
    end.energy.gross_joules = end.energy.above_idle_joules = math.nan
    end.routed.answered_by, end.routed.reason = 99, -1  # type: ignore[assignment]
    return response


def invoke(node: ScriptedNode, folder: Path, *args: str, piped: str | bytes = "hi") -> Result:
    """Raises what the command raised, but for its exit."""
    for name in ("m", "on-disk"):
        (folder / f"{name}.gguf").touch()
    runner = CliRunner(env={"XAPP_MODELS_DIR": str(folder), "HF_HUB_OFFLINE": "1"})
    result = runner.invoke(main, [*args, "--target", node.target], input=piped)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def replay(node: ScriptedNode, folder: Path, record: str | bytes) -> Result:
    file = folder / "record.json"
    file.write_bytes(record if isinstance(record, bytes) else record.encode())
    return invoke(node, folder, "replay", str(file))


@pytest.mark.parametrize("args", ASKING, ids=lambda args: args[0])
def test_numbers_and_enums_that_mean_nothing_are_shown(
    args: list[str], node: ScriptedNode, tmp_path: Path
) -> None:
    node.script = [[started(), chunk("Hello"), lies()]]
    result = invoke(node, tmp_path, *args)
    assert (result.exit_code, result.stdout) == (0, "Hello\n")
    assert ("ended by 77" in result.stderr) == ("--stats" in args)


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("args", ASKING, ids=lambda args: args[0])
def test_an_answer_without_its_end_is_an_error(
    args: list[str], cut: str, node: ScriptedNode, tmp_path: Path
) -> None:
    node.script = [CUT[cut]]
    result = invoke(node, tmp_path, *args)
    assert result.exit_code == 1
    assert "ended the answer without its last message" in result.stderr


def test_replay_compares_what_a_lying_node_answers(node: ScriptedNode, tmp_path: Path) -> None:
    node.script = [[started(), chunk("Hello"), lies()]]
    assert replay(node, tmp_path, json.dumps(RECORD)).stdout == "same: 5 characters\n"


@pytest.mark.parametrize("script", [*CUT.values(), ANSWER], ids=[*CUT, "no provenance"])
def test_replay_of_what_cannot_be_compared_is_no_difference(
    script: Sequence[Step], node: ScriptedNode, tmp_path: Path
) -> None:
    node.script = [script]
    result = replay(node, tmp_path, json.dumps(RECORD))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        "{",
        b"\xff\xfe{}",
        "[" * 100_000,
        '{"request": {"max_tokens": 1e400}, "provenance": {}, "text": ""}',
        '{"request": {"prompt": "\\ud800"}, "provenance": {}, "text": ""}',
        '{"request": {"input_timestamp": "9999999-01-01T00:00:00Z"}, "provenance": {}, "text": ""}',
    ],
    ids=lambda record: str(record[:40]),
)
def test_replay_of_a_broken_record_asks_nobody(
    record: str | bytes, node: ScriptedNode, tmp_path: Path
) -> None:
    result = replay(node, tmp_path, record)
    assert result.exit_code == 3
    assert "is no record of an answer" in result.stderr
    assert node.requests == []


@pytest.mark.parametrize("command", [("run", "on-disk"), ("models", "load", "on-disk")], ids=" ".join)
def test_a_load_without_its_end_is_an_error(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models_pb2.Model(name="on-disk", state=77, size_bytes=-1, memory_bytes=-5)  # type: ignore[arg-type]
    step = models_pb2.LoadModelResponse(model=model, progress=math.nan)
    monkeypatch.setattr(ScriptedNode, "LoadModel", lambda *_: iter((step,)))
    with scripted_node() as node:
        result = invoke(node, tmp_path, *command)
        assert result.exit_code == 1
        assert "without a loaded model" in result.stderr
        assert node.requests == []


@pytest.mark.parametrize("winner", [-1, 9])
def test_a_winner_that_no_choice_is(winner: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    response = pb.ScoreResponse(
        choices=[pb.ChoiceScore(choice="a", probability=math.nan)], winner=winner, margin=math.nan
    )
    monkeypatch.setattr(ScriptedNode, "Score", lambda *_: response)
    with scripted_node() as node:
        result = invoke(node, tmp_path, "tasks", "run", "class")
        assert f"choice {winner}, which the node does not list" in result.stdout


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--measured-at", "nan", "--measured-at: nan is no time"),
        ("--measured-at", "1e300", "--measured-at: 1e+300 is no time"),
        ("--measured-at", "-1e12", "--measured-at: -1e+12 is no time"),
        ("--inputs", '{"x": %s}' % ("9" * 400), "--inputs: no message has room for them"),
        ("--inputs", '{"\\ud800": 1}', "--inputs: no message has room for them"),
        ("--inputs", '{"x": %s}' % ("[" * 500 + "]" * 500), "--inputs: no message has room for them"),
    ],
)
def test_inputs_that_no_message_has_room_for_name_their_option(
    option: str, value: str, said: str, node: ScriptedNode, tmp_path: Path
) -> None:
    result = invoke(node, tmp_path, "tasks", "run", "triage", option, value)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("chat",),
        ("run", "m"),
        ("generate", "-"),
        ("tokenize", "-"),
        ("embed", "--file", "-"),
        ("tasks", "run", "triage", "--inputs", "-"),
        ("generate", "hi", "--grammar", "-"),
    ],
    ids=" ".join,
)
def test_a_pipe_that_is_no_utf_8_is_wrong_usage(
    args: tuple[str, ...], node: ScriptedNode, tmp_path: Path
) -> None:
    result = invoke(node, tmp_path, *args, piped=b"caf\xe9 latin-1")
    assert result.exit_code == 2
    assert "standard input is not UTF-8" in result.stderr
    assert node.requests == []
