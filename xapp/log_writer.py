"""Writes lines in a thread: who logs never waits for who reads.

What waits is bounded in bytes. Lines beyond that are dropped and counted, and once there is room again a
line says how many.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TextIO

MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Some ten thousand records."""

Write = Callable[[str], None]
"""Writes text whole; may block. Raises OSError when nobody will ever read it."""


class LogWriter:
    """A thread, and the lines that wait for it. `describe` makes the line that tells of dropped ones."""

    def __init__(
        self, write: Write, describe: Callable[[int], str], max_waiting_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        self._write = write
        self._describe = describe
        self._most = max_waiting_bytes
        self._lines: deque[str] = deque()
        self._waiting_bytes = 0
        self._untold = 0
        self._busy = False
        self._ending = False
        self._changed = threading.Condition()
        self.num_dropped = 0
        """Lines dropped since the start."""
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Hands a line on, or drops it; never blocks. `line` has no newline."""
        with self._changed:
            # Characters, not bytes: counting these would mean to encode twice.
            if self._waiting_bytes + len(line) > self._most:
                self._drop(1)
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Waits until all is written; False when that took too long."""
        until = monotonic() + timeout_s
        with self._changed:
            while self._lines or self._busy or self._untold:
                if not self._changed.wait(until - monotonic()):
                    return False
        return True

    def close(self) -> None:
        """The thread ends once all is written; does not wait for it."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def _drop(self, number: int) -> None:
        self.num_dropped += number
        self._untold += number

    def _run(self) -> None:
        while (lines := self._take()) is not None:
            try:
                self._write("\n".join(lines) + "\n")
            except (OSError, ValueError):
                # The reader is gone, or the stream is closed: there is nowhere to say so.
                with self._changed:
                    self.num_dropped += len(lines)

    def _take(self) -> list[str] | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            while not (self._lines or self._untold):
                if self._ending:
                    return None
                self._changed.wait()
            self._busy = True
            return self._taken()

    def _taken(self) -> list[str]:
        lines = list(self._lines)
        self._lines.clear()
        self._waiting_bytes = 0
        if self._untold:
            lines.append(self._describe(self._untold))
            self._untold = 0
        return lines


def writing_to(stream: TextIO) -> Write:
    """Writes to the file below the stream, where it has one: a blocked writer must not hold its lock."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return lambda text: _write_stream(stream, text)
    return lambda text: _write_file(descriptor, text.encode("utf-8", "backslashreplace"))


def _write_stream(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _write_file(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
