"""A real `genai-xapp rpc-serve` in a process of its own, on a free port of the loopback interface."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

MEMORY_MB = 600


class LiveHelper:
    """A running helper: `host` is HOST:PORT."""

    def __init__(self, **environ: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xapp.cli", "rpc-serve", "--port", "0", "--threads", "1"],
            env={**os.environ, "XAPP_RPC_MEMORY_MB": str(MEMORY_MB), **environ},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self._log = self.process.stderr
        self.host = f"127.0.0.1:{self.next('listening')['port']}"

    def next(self, message: str) -> dict[str, object]:
        """Reads the log up to the next record with this message."""
        seen = []
        for line in self._log:
            seen.append(line)
            record: dict[str, object] = json.loads(line) if line.startswith("{") else {"msg": line}
            if str(record["msg"]).startswith(message):
                return record
        raise AssertionError(f"no {message!r} in the helper's log:\n" + "".join(seen))

    def kill_process(self) -> None:
        """Kills the process that computes: its parent starts another."""
        for child in psutil.Process(self.process.pid).children():
            child.kill()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def close(self) -> None:
        """Ends it whatever it does."""
        self.process.kill()
        self.process.wait()
        self._log.close()


@contextmanager
def helping(**environ: str) -> Iterator[LiveHelper]:
    """Listening when it is yielded, gone afterwards."""
    helper = LiveHelper(**environ)
    try:
        yield helper
    finally:
        helper.close()
