"""The first moments of a command: what must be so before its modules are imported."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def quiet_grpc() -> None:
    """Keeps gRPC's core from lines of its own on standard error, unless GRPC_VERBOSITY says so.

    It reads this when it is imported. Else it writes a line for each connection that is no TLS: whoever
    reaches the port fills the log, and a reader of the log that stalls holds gRPC up.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


@contextmanager
def quiet_interrupt() -> Iterator[None]:
    """For the block SIGINT does what it does to any program; Python's KeyboardInterrupt is back after it."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
