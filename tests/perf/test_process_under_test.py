"""Servers as processes: how a start that fails is told."""

import sys
from pathlib import Path

import pytest

from perf.process_under_test import Server, StartError


def test_a_server_that_ends_before_it_serves_is_told_with_its_last_words(tmp_path: Path) -> None:
    script = "print('first'); print('no such model'); raise SystemExit(3)"
    with Server([sys.executable, "-c", script], {}, tmp_path / "log") as server:
        error = server.start_error("stopped answering")
    assert "ended with exit status 3" in str(error)
    assert "no such model" in str(error)


def test_a_server_that_is_alive_raises_nothing(tmp_path: Path) -> None:
    with Server([sys.executable, "-c", "input()"], {}, tmp_path / "log") as server:
        server.check_alive()


def test_an_ended_server_is_a_start_error(tmp_path: Path) -> None:
    with Server([sys.executable, "-c", "pass"], {}, tmp_path / "log") as server:
        server.start_error("waited for")
        with pytest.raises(StartError, match="it said nothing"):
            server.check_alive()
