"""What a child does whatever the job is."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from xapp.backend.native import llama
from xapp.backend.optimize import job_process, jobs, perplexity
from xapp.backend.optimize.process import ask
from xapp.errors import ModelError


def test_a_child_lets_everything_else_on_the_node_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os; from xapp.backend.optimize import job_process, jobs;"
        "job_process.answer = lambda _: jobs.Bytes(os.nice(0)); job_process.main()"
    )
    monkeypatch.setattr("xapp.backend.optimize.process.COMMAND", (sys.executable, "-c", code))
    assert ask(jobs.Size("m.gguf", 7), jobs.Bytes) == jobs.Bytes(job_process.NICENESS)


def test_a_model_that_computes_no_numbers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def ignore(*_: object) -> None: ...

    @contextmanager
    def session(*_: object, **__: object) -> Iterator[Any]:
        yield SimpleNamespace(vocab_size=4, bos=[], context=None, clear=ignore, decode=ignore), [[1, 2, 3]]

    rows = (ctypes.c_float * 12)(*[float("nan")] * 12)
    monkeypatch.setattr(perplexity, "session", session)
    pointer = ctypes.cast(rows, ctypes.POINTER(ctypes.c_float))
    monkeypatch.setattr(llama, "llama_get_logits", lambda _: pointer)
    job = jobs.Guess("m.gguf", 1, "a b c")
    with pytest.raises(ModelError, match=r"m\.gguf: .* NaN instead of numbers"):
        perplexity.guess(job)
