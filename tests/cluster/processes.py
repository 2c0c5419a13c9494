"""Programs of the node in the background, each with a log of its own, and waiting for them."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_POLL_S = 0.2


class NodeError(Exception):
    """The node does not come up; the message says what is missing and shows the end of a log."""


class Processes:
    """Starts programs of `bin` and keeps what they print in `logs`."""

    def __init__(self, bin_folder: Path, logs: Path) -> None:
        self._bin = bin_folder
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *options: str) -> None:
        """A program, in the background until this process namespace ends."""
        self._start(name, [str(self._bin / name), *options])

    def start_python(self, name: str, module: str, *options: str) -> None:
        """The same for a module of this Python."""
        self._start(name, [sys.executable, "-m", module, *options])

    def _start(self, name: str, command: list[str]) -> None:
        with (self._logs / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait(self, name: str, what: str, is_so: Callable[[], bool], within_s: float) -> None:
        """Until it is so. Raises NodeError with the end of the program's log, at once when it has ended."""
        deadline = time.monotonic() + within_s
        while not is_so():
            code = self._running[name].poll()
            if code is not None or time.monotonic() > deadline:
                why = f"{name} ended with {code}" if code is not None else f"not within {within_s:g} s"
                raise NodeError(f"{what}: {why}\n{self.tail(name)}")
            time.sleep(_POLL_S)

    def tail(self, name: str, lines: int = 30) -> str:
        """The end of a log."""
        text = (self._logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def succeeds(command: Sequence[str]) -> bool:
    """Whether the command ends with 0."""
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0
