"""`genai-xapp chat`: over a pipe, and on a real terminal against a node that does what the test says."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cli.terminal import Terminal, on_terminal
from tests.scripted_node import ANSWER, Hang, ScriptedNode, bad_field, chunk, scripted_node, started
from xapp.cli import main

CTRL_C, CTRL_D, ENTER, NEW_LINE = "\x03", "\x04", "\r", "\x1b\r"
READY = "\x1b[?2004h"
"""Written when a prompt begins to read keys: it asks the terminal to mark what is pasted."""


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


@pytest.fixture
def terminal(node: ScriptedNode, tmp_path: Path) -> Iterator[Terminal]:
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with on_terminal("chat", "--target", node.target, environ=environ) as terminal:
        terminal.until("/help lists the commands.")
        terminal.until(READY)
        yield terminal


def enter(terminal: Terminal, line: str, shown: str) -> str:
    """Types a line; what was shown up to `shown`. The next prompt reads keys then."""
    terminal.type(line + ENTER)
    text = terminal.until(shown)
    terminal.until(READY)
    return text


def piped(node: ScriptedNode, question: str, *args: str) -> Result:
    return CliRunner().invoke(main, ["chat", "--target", node.target, *args], input=question)


def asked(node: ScriptedNode, index: int) -> list[str]:
    return [each.content for each in node.requests[index].chat.messages]


def test_what_is_piped_in_is_one_question(node: ScriptedNode) -> None:
    result = piped(node, "first line\nsecond line\n", "--system", "s", "--max-tokens", "9", "--stats")
    assert (result.exit_code, result.stdout) == (0, "Hello wörld\n")
    assert "TTFT" in result.stderr
    assert asked(node, 0) == ["s", "first line\nsecond line"]
    assert node.requests[0].max_tokens == 9


def test_an_empty_pipe_is_wrong_usage(node: ScriptedNode) -> None:
    result = piped(node, " \n")
    assert result.exit_code == 2
    assert "standard input is empty" in result.stderr


def test_an_error_over_a_pipe_is_one_line(node: ScriptedNode) -> None:
    node.script = [[bad_field("chat")]]
    result = piped(node, "hi")
    assert (result.exit_code, result.stderr) == (1, "INVALID_ARGUMENT: chat: wrong\n")


def test_a_conversation_goes_on_after_an_error_and_a_stop(node: ScriptedNode, terminal: Terminal) -> None:
    node.script = [ANSWER, [started(), chunk("endless"), Hang()], [bad_field("chat")], ANSWER]
    enter(terminal, "one" + NEW_LINE + "more", "Hello wörld")
    terminal.type("two" + ENTER)
    terminal.until("endless")
    terminal.type(CTRL_C)
    terminal.until("(stopped)")
    terminal.until(READY)
    assert node.ended.wait(10)
    enter(terminal, "three", "INVALID_ARGUMENT: chat: wrong")
    enter(terminal, "four", "Hello wörld")
    terminal.type(CTRL_D)
    assert terminal.exit_code() == 0
    assert asked(node, 0) == ["one\nmore"]
    # What was stopped is kept as far as it came; what failed is not.
    assert asked(node, 3) == ["one\nmore", "Hello wörld", "two", "endless", "four"]


def test_ctrl_c_without_an_answer_does_not_end_the_program(terminal: Terminal) -> None:
    terminal.type(CTRL_C)
    terminal.until("Ctrl-D ends.")
    terminal.until(READY)
    enter(terminal, "hi", "Hello wörld")
    terminal.type("/exit" + ENTER)
    assert terminal.exit_code() == 0


def test_commands(node: ScriptedNode, terminal: Terminal, tmp_path: Path) -> None:
    def command(line: str, shown: str) -> str:
        return enter(terminal, line, shown)

    command("/stats", "nothing was said yet")
    assert "/task" in command("/help", "Ctrl-D ends.")
    command("/hlep", "no command /hlep")
    command("/system Answer in rhymes.", "the system text is set")
    command("/model", "m")
    command("/model on-disk", "no model 'on-disk' is loaded")
    command("/model m", "m answers from now on")
    command("hi", "Hello wörld")
    command("/stats", "ended by stop")
    command("/task", "triage@2 line=string")
    command("/task triage line='fan stopped' n=2", "Hello wörld")
    command("/task triage line", "is no input")
    command("/save", "needs the name of a file")
    command(f"/save {tmp_path}/none/talk.md", "No such file")
    command(f"/save {tmp_path}/talk.json", "saved in")
    command("/new", "begins anew")
    command("again", "Hello wörld")
    terminal.type("/exit" + ENTER)
    assert terminal.exit_code() == 0
    assert asked(node, 0) == ["Answer in rhymes.", "hi"]
    assert (node.requests[0].model, node.requests[1].task) == ("m", "triage")
    assert dict(node.requests[1].inputs) == {"line": "fan stopped", "n": 2}
    assert asked(node, 2) == ["Answer in rhymes.", "again"]
    assert len(json.loads((tmp_path / "talk.json").read_text())["messages"]) == 3


def test_keys_that_are_no_utf_8_are_not_sent(node: ScriptedNode, terminal: Terminal) -> None:
    terminal.type("caf\udce9" + ENTER)
    terminal.until("bytes that are not UTF-8 cannot be sent")
    terminal.type("\x15")  # removes the line
    enter(terminal, "hi", "Hello wörld")
    assert asked(node, 0) == ["hi"]
    terminal.type(CTRL_D)
    assert terminal.exit_code() == 0


def test_inputs_that_no_message_has_room_for(node: ScriptedNode, terminal: Terminal) -> None:
    enter(terminal, "/task triage n=" + "9" * 400, "/task: inputs: no message has room for them")
    enter(terminal, "hi", "Hello wörld")
    assert len(node.requests) == 1


@pytest.mark.parametrize("broken", ["chat_history", "genai-xapp"])
def test_without_a_place_for_the_history_it_talks(node: ScriptedNode, tmp_path: Path, broken: str) -> None:
    """A folder in place of the file, and a file in place of the folder."""
    place = tmp_path / "genai-xapp"
    if broken == "chat_history":
        (place / broken).mkdir(parents=True)
    else:
        place.touch()
    with on_terminal("chat", "--target", node.target, environ={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.until(READY)
        enter(terminal, "hi", "Hello wörld")
        terminal.type(CTRL_D)
        assert terminal.exit_code() == 0


def test_questions_are_remembered_for_their_owner_only(terminal: Terminal, tmp_path: Path) -> None:
    enter(terminal, "a private question", "Hello wörld")
    terminal.type(CTRL_D)
    assert terminal.exit_code() == 0
    kept = tmp_path / "state" / "genai-xapp" / "chat_history"
    assert "a private question" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_a_model_cannot_write_to_the_terminal_what_acts(node: ScriptedNode, terminal: Terminal) -> None:
    node.script = [[started(), chunk("\x1b]0;title\x07"), *ANSWER[1:]]]
    terminal.type("hi" + ENTER)
    terminal.until("\\x1b]0;title\\x07Hello")
