"""Settings of the process that must be made before other modules are imported."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def quiet_grpc() -> None:
    """Keeps gRPC's core from writing to standard error, unless GRPC_VERBOSITY is set.

    gRPC reads this variable when it is imported. Otherwise it writes a line for each connection without
    TLS: anybody who reaches the port could fill the log, and a log reader that stalls would block gRPC.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


@contextmanager
def quiet_interrupt() -> Iterator[None]:
    """Within the block SIGINT has its default action. Python's KeyboardInterrupt is restored afterwards."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
