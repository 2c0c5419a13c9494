"""The process of a helper that computes. Its parent starts it again when it dies.

    python -m xapp.helper.process FD HOST PORT MEMORY_BYTES THREADS CACHE_DIR

FD is one end of a socket pair: the port in decimal digits and a newline go there once the process listens.
"""

import os
import socket
import sys

from xapp.backend.spin import set_spin_count
from xapp.errors import XappError

EXIT_NOT_LISTENING = 4


def main() -> None:
    """Serves until the process is ended; exits where it cannot listen."""
    fd, host, port, memory_bytes, threads, cache_dir = sys.argv[1:]
    set_spin_count(os.environ)
    from xapp.backend.rpc.serve import serve  # noqa: PLC0415  libgomp reads the spin count when it is loaded

    parent = socket.socket(fileno=int(fd))
    try:
        serve(
            host,
            int(port),
            memory_bytes=int(memory_bytes),
            threads=int(threads),
            cache_dir=cache_dir,
            on_listening=lambda found: parent.sendall(f"{found}\n".encode()),
        )
    except XappError as error:
        sys.exit(error.message)
    sys.exit(EXIT_NOT_LISTENING)


if __name__ == "__main__":
    main()
