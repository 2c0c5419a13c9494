"""The servers under test as processes: started, waited for, ended."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from perf.closing import Ending, wait_or_kill

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
EXIT_PATIENCE_S = 2.0
HOST = "127.0.0.1"
POLL_S = 0.01


class StartError(Exception):
    """A server ended before it served, or took too long."""


def free_port(host: str = HOST) -> int:
    """A port of an address of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Server(Ending):
    """A child process whose output goes to a file, kept unless it ended well; ended with SIGTERM."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log: IO[bytes] = log.open("wb")
        self.command = list(command)
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=self._log, stderr=subprocess.STDOUT
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raises StartError when it has ended, or when it had its time to start."""
        if self._process.poll() is not None:
            raise self.start_error("ended")
        if time.monotonic() - self.started_at > START_TIMEOUT_S:
            raise StartError(f"{self.command[0]} did not serve within {START_TIMEOUT_S:g} s")

    def wait_for_port(self, address: str) -> None:
        """Returns once something listens on `HOST:PORT`. Raises StartError."""
        host, _, port = address.rpartition(":")
        while True:
            self.check_alive()
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                time.sleep(POLL_S)
            else:
                return

    def start_error(self, what: str) -> StartError:
        """What to raise when the server `what` before it served: with its exit status and its last words."""
        try:
            what = f"ended with exit status {self._process.wait(EXIT_PATIENCE_S)}"
        except subprocess.TimeoutExpired:
            what = f"{what} and still runs"
        last = Path(self._log.name).read_text(errors="replace").strip().rpartition("\n")[2]
        return StartError(
            f"{self.command[0]} {what}: {last or 'it said nothing'} (all of it: {self._log.name})"
        )

    def close(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        self._process.terminate()
        try:
            wait_or_kill(self._process, STOP_TIMEOUT_S)
        finally:
            self._log.close()
        if self._process.returncode == 0:
            Path(self._log.name).unlink(missing_ok=True)
