"""A child that is asked in lines: not there when Ctrl-C comes, gone when its input closes."""

import os
import signal
import sys
from pathlib import Path

import pytest

from perf.json_child import Child, ChildError

ECHO = """
import sys
from perf import json_child
json_child.serve(lambda line: line.decode().strip(), "ready")
"""


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "echo_child.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return "echo_child"


def test_an_interruption_is_the_parents_to_answer(echo: str) -> None:
    with Child(echo) as child:
        assert child.greeting == b'"ready"\n'
        os.kill(child.pid, signal.SIGINT)
        assert child.ask(None) == b'"null"\n'


def test_a_prefix_makes_it_run_elsewhere(echo: str) -> None:
    with Child(echo, prefix=("env", "WHERE=elsewhere")) as child:
        assert b"WHERE=elsewhere" in Path("/proc", str(child.pid), "environ").read_bytes()


def test_a_child_that_cannot_be_started_is_an_error() -> None:
    with pytest.raises(ChildError, match="exit status"):
        Child("perf.no_such_module")
