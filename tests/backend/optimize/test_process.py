"""The asker's side, with children that do one thing each."""

import subprocess
import sys
from typing import Any

import pytest

from xapp.backend.optimize import process as under_test
from xapp.backend.optimize.jobs import Bytes, Size
from xapp.backend.optimize.process import ask
from xapp.backend.spin import SPIN_COUNT
from xapp.errors import ModelError

JOB = Size("m.gguf", 7)
END = "import os, signal, sys; sys.stdin.readline(); "
BLOCK = "import sys; sys.stdin.read()"


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    """Every child that was started."""
    started: list[subprocess.Popen[bytes]] = []
    usual = subprocess.Popen

    def start(*args: Any, **more: Any) -> "subprocess.Popen[bytes]":
        started.append(usual(*args, **more))
        return started[-1]

    monkeypatch.setattr("xapp.backend.optimize.process.subprocess.Popen", start)
    return started


def child(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(under_test, "COMMAND", (sys.executable, "-c", code))


def test_an_answer_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    child(monkeypatch, """print('{"type":"Bytes","count":5}' if '"file_type":7' in input() else "")""")
    assert ask(JOB, Bytes) == Bytes(5)


def test_a_child_computes_as_a_worker_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    count = "int(os.environ['GOMP_SPINCOUNT'])"
    child(monkeypatch, f'import os; input(); print(\'{{"type":"Bytes","count":%d}}\' % {count})')
    assert ask(JOB, Bytes) == Bytes(int(SPIN_COUNT))


def test_a_childs_error_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    child(monkeypatch, """input(); print('{"type":"Failed","message":"m.gguf: no","reason":"WHY"}')""")
    with pytest.raises(ModelError, match=r"m\.gguf: no") as caught:
        ask(JOB, Bytes)
    assert caught.value.reason == "WHY"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGILL)", r"\(size\) was ended by SIGILL"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL, most probably out of memory"),
        ("sys.stderr.write('GGML_ASSERT\\n'); sys.exit(3)", "exit code 3; its last output: GGML_ASSERT"),
    ],
)
def test_a_lost_child_is_named_with_its_end(monkeypatch: pytest.MonkeyPatch, end: str, said: str) -> None:
    child(monkeypatch, END + end)
    with pytest.raises(ModelError, match=rf"m\.gguf: the child process .*{said}") as caught:
        ask(JOB, Bytes)
    assert caught.value.reason == "CHILD_LOST"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"type":"Bytes"', "exit code 0"),
        ("ggml: hello\\n", r"\(size\) sent an invalid answer: JSON is malformed"),
        ('{"type":"Bytes","count":null}\\n', "Expected `int`, got `null`"),
    ],
    ids=["cut", "no JSON", "no number"],
)
def test_a_bad_answer_is_a_lost_child(monkeypatch: pytest.MonkeyPatch, answer: str, said: str) -> None:
    child(monkeypatch, f"import sys; input(); sys.stdout.write('{answer}')")
    with pytest.raises(ModelError, match=rf"m\.gguf: the child process .*{said}") as caught:
        ask(JOB, Bytes)
    assert caught.value.reason == "CHILD_LOST"


def test_a_child_that_ended_before_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    child(monkeypatch, "raise SystemExit(4)")
    with pytest.raises(ModelError, match="exit code 4"):
        ask(JOB, Bytes)


def test_the_child_ends_with_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, children: list["subprocess.Popen[bytes]"]
) -> None:
    child(monkeypatch, BLOCK)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(JOB, Bytes, interrupt)
    assert [each.returncode for each in children] == [-9]


def test_a_child_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, children: list["subprocess.Popen[bytes]"]
) -> None:
    child(monkeypatch, BLOCK)
    monkeypatch.setattr(under_test, "BASE_TIMEOUT_S", 0.0)
    with pytest.raises(ModelError, match="no answer"):
        ask(JOB, Bytes)
    assert [each.returncode for each in children] == [-9]
