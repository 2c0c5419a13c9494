"""Processes that are asked in JSON lines: one command in, one reply out.

Each contender and each client runs in a process of its own, so that the one that measures does not
compute in the process it measures. Anything else a child prints goes to its standard error.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from perf.closing import Ending, wait_or_kill

EXIT_TIMEOUT_S = 20.0


class ChildError(Exception):
    """A child ended, or answered with an error."""


class Child(Ending):
    """`python -m MODULE ARGS`, as a context manager. Making it and `ask` block until the child has answered.

    `greeting` is the line that the child printed when it was ready. `prefix` goes before the command:
    what makes it run elsewhere. Raises ChildError.
    """

    def __init__(self, module: str, *args: str, prefix: Sequence[str] = ()) -> None:
        self.name = module
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", module, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            self.greeting = self._read()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, command: msgspec.Struct | None = None) -> bytes:
        """One command, and the reply as JSON. Raises ChildError."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"{self.name} ended with exit status {self._process.wait(EXIT_TIMEOUT_S)}")
        return line

    def close(self) -> None:
        """Ends the child: its standard input closes, and after a while it is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            wait_or_kill(self._process, EXIT_TIMEOUT_S)
        finally:
            self._process.stdout.close()


def serve(handle: Callable[[bytes], Any], greeting: Any = None) -> None:
    """The child's side: greets, then answers each line of standard input until it closes.

    Ctrl-C reaches it too, and is the parent's to answer: it closes the input.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _reply(greeting)
    for line in sys.stdin.buffer:
        _reply(handle(line))


def _reply(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def option(args: Sequence[str], name: str) -> str:
    """The value after `name`. Raises SystemExit when it is missing."""
    if name not in args[:-1]:
        raise SystemExit(f"{name} VALUE is required")
    return args[args.index(name) + 1]
