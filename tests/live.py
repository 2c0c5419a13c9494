"""A real `genai-xapp serve` in a process of its own, on free ports of the loopback interface."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

START_S = 60.0
# Nothing runs at the start and nothing is joined: tests count what they ask for themselves.
_PLAIN = {"XAPP_HOST": "127.0.0.1", "XAPP_PIN_TASKS": "false", "XAPP_JOIN_IDENTICAL": "false"}

MODEST = {"XAPP_THREADS": "1", "XAPP_SURVEY": "false", "XAPP_FLASH_ATTENTION": "on"}
"""In the environment of all tests: `modest_nodes` of conftest.py."""


class LiveServer:
    """A running server. Ports are known when it listens; `wait_for("serving")` waits for the model."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xapp.cli", "serve", "--grpc-port", "0", "--http-port", "0"],
            env={**os.environ, **_PLAIN, **environ},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def target(self) -> str:
        """For a gRPC channel."""
        return f"127.0.0.1:{self.wait_for('listening')['grpc_port']}"

    @property
    def http(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.wait_for('listening')['http_port']}"

    def records(self, since: int = 0) -> list[dict[str, Any]]:
        """The log from a line on; what is no JSON comes as {"msg": line}."""
        return [_record(line) for line in self.lines[since:]]

    def wait_for(self, message: str, timeout_s: float = START_S) -> dict[str, Any]:
        """The first log record with this message."""
        with self._more:
            self._more.wait_for(lambda: self._ended or self._find(message) is not None, timeout_s)
        found = self._find(message)
        assert found is not None, f"no {message!r} in the log:\n" + "".join(self.lines)
        return found

    def stop(self, timeout_s: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """Ends it whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _find(self, message: str) -> dict[str, Any] | None:
        return next((record for record in self.records() if record.get("msg") == message), None)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._more:
                self.lines.append(line)
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {"msg": line}
    return record if isinstance(record, dict) else {"msg": line}


@contextmanager
def serving(environ: Mapping[str, str]) -> Iterator[LiveServer]:
    """Serving when it is yielded, gone afterwards."""
    server = LiveServer(environ)
    try:
        server.wait_for("serving")
        yield server
    finally:
        server.close()
