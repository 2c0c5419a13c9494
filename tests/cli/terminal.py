"""A command on a pseudo-terminal, as a person sees it."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_WAIT_S = 30.0
# This terminal does not say where its cursor is, and each prompt would wait a second for that.
_SCREEN = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30", "PROMPT_TOOLKIT_NO_CPR": "1"}


class Terminal:
    """What the program wrote so far, and a keyboard."""

    def __init__(self, fd: int, process: "subprocess.Popen[bytes]") -> None:
        self._fd = fd
        self._process = process
        self._seen = b""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode(errors="surrogateescape"))

    def until(self, text: str) -> str:
        """Reads until `text` is shown; all that came since the last call."""
        wanted = text.encode()
        while wanted not in self._seen:
            ready, _, _ = select.select([self._fd], [], [], _WAIT_S)
            assert ready, f"{text!r} is not shown: {self._seen!r}"
            try:
                self._seen += os.read(self._fd, 65536)
            except OSError:
                raise AssertionError(f"{text!r} is not shown at the end: {self._seen!r}") from None
        before, _, self._seen = self._seen.partition(wanted)
        return (before + wanted).decode(errors="replace")

    def exit_code(self) -> int:
        """Waits for the end; what is still written is read, so that the program can end."""
        while True:
            ready, _, _ = select.select([self._fd], [], [], _WAIT_S)
            assert ready, f"the program goes on: {self._seen!r}"
            try:
                if not os.read(self._fd, 65536):
                    break
            except OSError:
                break
        return self._process.wait(_WAIT_S)


@contextmanager
def on_terminal(*args: str, environ: Mapping[str, str]) -> Iterator[Terminal]:
    """`genai-xapp ARGS` on a terminal of its own, which sends Ctrl-C as a signal."""
    own, other = pty.openpty()
    command = ["env", "--default-signal=INT", "setsid", "--ctty", sys.executable, "-m", "xapp.cli", *args]
    variables = {**os.environ, **_SCREEN, **environ}
    process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=variables)
    os.close(other)
    try:
        yield Terminal(own, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(own)
