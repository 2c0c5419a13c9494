"""What a fault tells before it happens."""

import io
import sys

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
    assert errors.calls == ["failpoint registration: error\n"]
