from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from perf.cli.deliver_result import EXIT_PARTIAL, deliver
from perf.cli.shared_options import EXIT_INTERRUPTED, progress, resumable
from perf.record.journal import Journal
from perf.record.record_errors import RecordError
from perf.record.result_files import read_result
from perf.record.result_schema import Status
from perf.targets.target import TargetError
from tests.perf import results


def run(body: Callable[[], None]) -> Result:
    return CliRunner().invoke(click.Command("mode", callback=body))


def test_a_complete_run_is_shown_and_kept(tmp_path: Path) -> None:
    found = run(lambda: deliver(results.engine(), tmp_path / "r.json", as_json=False))
    assert found.exit_code == 0
    assert "overhead_ratio" in found.stdout
    assert f"written: {tmp_path / 'r.json'}" in found.stderr
    assert read_result(tmp_path / "r.json") == results.engine()


def test_a_partial_run_exits_1_and_says_what_is_missing(tmp_path: Path) -> None:
    partial = results.engine(status=Status.PARTIAL, missing=["8 streams: lost"])
    found = run(lambda: deliver(partial, tmp_path / "r.json", as_json=True))
    assert found.exit_code == EXIT_PARTIAL
    assert found.stdout.startswith('{"mode":"engine"')
    assert "missing: 8 streams: lost" in found.stderr


def test_an_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    def body() -> None:
        with resumable(tmp_path / "r.json"), Journal.open(tmp_path / "r.json", fingerprint={}):
            raise KeyboardInterrupt

    found = run(body)
    assert found.exit_code == EXIT_INTERRUPTED
    assert "r.json.part: give the same command again to go on" in found.stderr


def test_an_interrupt_before_anything(tmp_path: Path) -> None:
    def body() -> None:
        with resumable(tmp_path / "r.json"):
            raise KeyboardInterrupt

    assert "nothing was measured yet" in run(body).stderr


@pytest.mark.parametrize("error", [RecordError(Path("a"), "full"), TargetError("lost", "a: full")])
def test_errors_are_one_line(tmp_path: Path, error: Exception) -> None:
    def body() -> None:
        with resumable(tmp_path / "r.json"):
            raise error

    found = run(body)
    assert (found.exit_code, found.stderr) == (1, "Error: a: full\n")


def test_progress_counts_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Console(stderr=True, force_terminal=True), 3, "turns", done=1) as advance:
        advance("one more")
        advance("the last")
    assert "3/3" in capsys.readouterr().err


def test_without_a_terminal_progress_is_a_line_a_step_and_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Console(stderr=True, force_terminal=False), 40, "load", done=1) as advance:
        for _ in range(4):
            advance("one caller")
        advance("two callers")
    assert capsys.readouterr().err.splitlines() == [
        "1/40 load",
        "2/40 one caller",
        "4/40 one caller",
        "6/40 two callers",
    ]
