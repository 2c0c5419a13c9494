import shlex
import subprocess
from pathlib import Path

import click
import pytest

from xapp.cli.bench import bench

SUITE = Path(__file__).resolve().parents[2] / "scripts" / "bench_suite"
# Keeps what it is called with, and leaves a result as a mode would; fails at engine, and at load once.
STUB = """#!/usr/bin/env bash
printf '%q ' "${@:2}" >> "$LOG"; echo >> "$LOG"
[[ $2 == engine ]] && { echo "no node" >&2; exit 3; }
[[ $2 == load && ! -e $LOG.load ]] && { touch "$LOG.load"; echo "lost the node" >&2; exit 1; }
while (($# > 1)); do [[ $1 == --out && $2 == *.json ]] && echo '{}' > "$2"; shift; done
exit 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "genai-xapp").write_text(STUB)
    (tmp_path / "bin" / "genai-xapp").chmod(0o755)
    (tmp_path / "out").mkdir()
    return tmp_path


def run(folder: Path, size: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": "/usr/bin:/bin", "VENV": str(folder), "LOG": str(folder / "log"), **settings}
    command = [str(SUITE), size, str(folder / "out")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def called(folder: Path) -> list[list[str]]:
    return [shlex.split(line) for line in (folder / "log").read_text().splitlines()]


@pytest.mark.parametrize("size", ["smoke", "nightly"])
def test_every_command_is_one_that_there_is(folder: Path, size: str) -> None:
    run(
        folder,
        size,
        MODELS="a b",
        WINOGRANDE="pyproject.toml",
        ORAN_BENCH="pyproject.toml",
        MMLU="pyproject.toml",
        SPEC_BENCH="pyproject.toml",
    )
    modes = [mode for mode, *_ in called(folder)]
    assert {"paper", "accuracy", "load", "engine", "speculation", "report"} <= set(modes)
    context = click.Context(bench)
    for mode, *options in called(folder):
        command = bench.get_command(context, mode)
        assert command is not None
        command.make_context(mode, options)  # parses; raises UsageError for what it does not know


def test_one_that_fails_is_named_and_the_others_run(folder: Path) -> None:
    done = run(folder, "nightly")
    assert done.returncode == 1
    assert done.stderr.endswith("failed: engine\n")
    assert called(folder)[-1][0] == "report"


def test_one_that_fails_is_gone_on_with_once(folder: Path) -> None:
    done = run(folder, "smoke")
    modes = [mode for mode, *_ in called(folder)]
    assert modes.count("load") == modes.count("engine") == 2
    assert modes.count("compare") == 1
    assert done.stderr.endswith("failed: engine\n"), "the second try of load did not fail"


def test_what_those_that_failed_said_is_said_again_at_the_end(folder: Path) -> None:
    last = run(folder, "smoke").stderr.splitlines()[-7:]
    assert last == [
        *("load: exit status 1", "    lost the node"),
        *("engine: exit status 3", "    no node") * 2,
        "failed: engine",
    ]


def test_nightly_leaves_alone_what_is_finished(folder: Path) -> None:
    (folder / "out" / "paper.json").touch()
    (folder / "out" / "mmlu.json").touch()
    (folder / "out" / "mmlu.json.part").touch()
    done = run(folder, "nightly")
    assert "paper: finished already" in done.stderr
    assert [mode for mode, *_ in called(folder)][:2] == ["accuracy", "load"]


def test_another_size_is_refused(folder: Path) -> None:
    assert run(folder, "weekly").returncode == 2
