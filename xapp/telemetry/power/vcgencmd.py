"""Asks a Raspberry Pi's firmware through `vcgencmd`, within limits of time, output and processes.

The program hangs where the firmware does, and a process that hangs in the kernel cannot be ended. So a
call is given up after a while, and the next call waits until the lost process is gone.
"""

import os
import select
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

DEVICE = Path("/dev/vcio")
TIMEOUT_S = 2.0
REST_S = 30.0
"""After a call that took too long, nothing is asked for so long."""
MOST_BYTES = 64 * 1024
_KILL_S = 0.2


class FirmwareError(Exception):
    """The firmware did not answer; the message says why."""


class Vcgencmd:
    """`path` is the program. Threads ask one after the other."""

    def __init__(self, path: str, timeout_s: float = TIMEOUT_S, rest_s: float = REST_S) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._rest_s = rest_s
        self._rests_until = float("-inf")
        self._lost: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self, *words: str) -> str:
        """What the program prints. Raises FirmwareError."""
        with self._lock:
            return self._ask(words)

    def _ask(self, words: tuple[str, ...]) -> str:
        self._check_rest()
        try:
            process = subprocess.Popen(
                [self._path, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise FirmwareError(f"vcgencmd cannot be run: {error.strerror}") from error
        return self._answer(process, " ".join(words))

    def _check_rest(self) -> None:
        if self._lost is not None and self._lost.poll() is None:
            raise FirmwareError("vcgencmd hangs, and its process cannot be ended")
        self._lost = None
        if time.monotonic() < self._rests_until:
            raise FirmwareError("vcgencmd took too long a moment ago")

    def _answer(self, process: "subprocess.Popen[bytes]", what: str) -> str:
        assert process.stdout is not None
        until = time.monotonic() + self._timeout_s
        try:
            with process.stdout as pipe:
                printed = _read(pipe, until)
            code = process.wait(max(0.0, until - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            self._rests_until = time.monotonic() + self._rest_s
            raise FirmwareError(f"vcgencmd {what} took longer than {self._timeout_s:g} s") from None
        finally:
            self._end(process)
        if code != 0:
            raise FirmwareError(f"vcgencmd {what} ended with exit code {code}")
        return printed.decode(errors="replace")

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is not None:
            return
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_S)
        if process.poll() is None:
            self._lost = process


def _read(pipe: IO[bytes], until: float) -> bytes:
    """Up to the end of the output. Raises TimeoutError; FirmwareError for more than MOST_BYTES."""
    printed = b""
    while len(printed) <= MOST_BYTES:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
        piece = os.read(pipe.fileno(), MOST_BYTES)
        if not piece:
            return printed
        printed += piece
    raise FirmwareError(f"vcgencmd printed more than {MOST_BYTES} bytes")


def find_vcgencmd(path: str = "") -> Vcgencmd | None:
    """The program at `path`, or of this board; None where the board has none."""
    if path:
        return Vcgencmd(path)
    found = shutil.which("vcgencmd") if DEVICE.exists() else None
    return Vcgencmd(found) if found else None
