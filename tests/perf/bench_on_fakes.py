"""A whole mode of the harness, as a command, on nodes with the fake backend."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perf.server_processes import LOGS


def summary_on_fakes(out: Path, mode: str, *options: str) -> dict[str, Any]:
    """The figures of one round by their names, from the result file `out`."""
    command = [sys.executable, "-m", "xapp.cli", "bench", mode, *options]
    with _alone():
        done = subprocess.run(
            [*command, "--rounds", "1", "--out", str(out)],
            env={**os.environ, "XAPP_BACKEND": "fake"},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return {each["name"]: each for each in json.loads(out.read_text())["summary"]}


@contextmanager
def _alone() -> Iterator[None]:
    """The harness refuses a second benchmark on a machine, so tests in two processes take turns."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
