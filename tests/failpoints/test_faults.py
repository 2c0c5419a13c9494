"""What a fault tells before it happens."""

import io
import re
import sys
import time

import pytest

from xapp.failpoints.faults import tell
from xapp.failpoints.spec import parse


class Writes(io.StringIO):
    """Every call of `write`: between two calls another thread may write."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def write(self, text: str) -> int:
        self.calls.append(text)
        return super().write(text)


def test_a_line_and_its_end_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = Writes()
    monkeypatch.setattr(sys, "stderr", errors)
    tell("registration", parse("registration=1*error").rules[0])
    (line,) = errors.calls
    assert re.fullmatch(r"failpoint registration: error at \d+\.\d+\n", line)


def test_the_time_is_told_by_a_clock_that_no_failpoint_shifts(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = Writes()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    before = time.monotonic()
    tell("decode", parse("decode=kill").rules[0])
    told = float(errors.calls[0].rpartition(" at ")[2])
    assert before - 0.001 <= told <= time.monotonic() + 0.001
