"""Settings of the process that must be made before other modules are imported."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def prepare_grpc() -> None:
    """Settings that gRPC's core reads when it is imported. What is set already stays.

    GRPC_VERBOSITY: the core writes nothing to standard error. Otherwise it writes a line for each connection
    without TLS: anybody who reaches the port could fill the log, and a log reader that stalls would block
    gRPC.

    GRPC_ENABLE_FORK_SUPPORT: the core does nothing in a process that has just been forked. A node forks to
    start its workers only, and they use no gRPC. Otherwise the core's handlers run in the child before the
    worker's program, and were seen to abort it on a busy node ("Epoll1Poller … Bad file descriptor").
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


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
