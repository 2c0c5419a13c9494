"""What strangers write is shown, never obeyed."""

import io
import json
import logging
import re
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from google.rpc import code_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.scripted_node import Fault, ScriptedNode, scripted_node
from xapp import logs
from xapp.cli import main
from xapp.cli.say import shown
from xapp.visible import visible, visible_json

ROOT = Path(__file__).resolve().parent.parent
EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\x7f\r\u2028"
ANY_TEXT = st.text() | st.text(
    st.characters(max_codepoint=0xA0) | st.characters(categories=["Cc", "Cf", "Zl", "Zp"])
)


def acts(text: str) -> bool:
    """Whether a terminal does something else with it than to show it."""
    return any(
        (unicodedata.category(char) in {"Cc", "Zl", "Zp"} and char not in "\n\t")
        or unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        for char in text
    )


@given(ANY_TEXT)
def test_nothing_acts_on_a_terminal(text: str) -> None:
    assert not acts(visible(text))
    assert acts(text) or visible(text) == text


@given(ANY_TEXT)
def test_json_stays_equal_and_does_not_act(text: str) -> None:
    line = visible_json(json.dumps({"a": text}, ensure_ascii=False))
    assert json.loads(line) == {"a": text}
    assert not acts(line)


def test_how_it_is_written() -> None:
    assert visible("a\x1b[1m\x9bß\u202eb\r\nc\td") == "a\\x1b[1m\\x9bß\\u202eb\nc\td"


def test_the_log_does_not_act() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, EVIL, None, None)
    record.fields = {"model": EVIL}
    line = logs.JsonFormatter().format(record)
    assert not acts(line)
    assert json.loads(line)["model"] == EVIL


def test_an_answer_is_shown_on_a_terminal_and_whole_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    assert shown(EVIL) == EVIL
    monkeypatch.setattr(stream, "isatty", lambda: True)
    assert not acts(shown(EVIL))


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


def test_an_error_of_a_node_does_not_act(node: ScriptedNode) -> None:
    node.script = [[Fault(code_pb2.UNAVAILABLE, EVIL)], [Fault(code_pb2.INTERNAL, EVIL)]]
    result = CliRunner().invoke(main, ["generate", "hi", "--target", node.target], color=True)
    assert result.exit_code == 1
    assert not acts(result.stderr)


def test_commands_write_in_one_way() -> None:
    """What may come from a stranger goes through `say` or `shown`."""
    pattern = r"click\.echo\((?!shown\(|visible\(|\))"
    for path in (ROOT / "xapp" / "cli").glob("*.py"):
        if path.name not in {"say.py", "models.py", "models_bring.py", "models_rm.py", "models_verify.py"}:
            assert not re.search(pattern, path.read_text()), path


INTERRUPTED = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from xapp.cli import main
"""


@pytest.mark.parametrize("module", ["click", "xapp.visible"])
def test_a_ctrl_c_while_modules_are_imported_says_nothing(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
