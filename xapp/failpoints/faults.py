"""What an armed point does to its process."""

import os
import random
import signal
import socket
import subprocess
import sys
import time

from xapp.failpoints.spec import Rule

_PAUSE_S = 0.001
_SHIFT_EVERY_S = 1.0


def tell(point: str, rule: Rule) -> None:
    """A line on stderr, before the fault: the process may not live to tell it later.

    It has the time on CLOCK_MONOTONIC: the wall clock may be shifted, and the line may be logged later.
    The line is one write with its end: `print` writes the end apart, and a log record of another thread can
    come between.
    """
    sys.stderr.write(f"failpoint {point}: {rule.action} at {time.monotonic():.6f}\n")
    sys.stderr.flush()


def kill() -> None:
    """Ends this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop(seconds: float) -> None:
    """Stops this process, all threads, and lets another process continue it."""
    subprocess.Popen(["/bin/sh", "-c", f"sleep {seconds}; kill -CONT {os.getpid()}"], start_new_session=True)
    os.kill(os.getpid(), signal.SIGSTOP)


def send_in_parts(sock: socket.socket, data: bytes) -> None:
    """The kernel takes a part of the bytes, and the rest later."""
    middle = max(1, len(data) // 2)
    sock.sendall(data[:middle])
    time.sleep(_PAUSE_S)
    sock.sendall(data[middle:])


def shift_clock(most_s: float, seed: str) -> None:
    """The wall clock of this process jumps once a second, by at most `most_s` from the true time.

    CLOCK_MONOTONIC stays as it is.
    """
    true_time, offsets = time.time, random.Random(seed)  # noqa: S311  a test repeats it
    steps = [offsets.choice((-most_s, 0.0, most_s)) for _ in range(64)]

    def shifted() -> float:
        return true_time() + steps[int(time.monotonic() / _SHIFT_EVERY_S) % len(steps)]

    time.time = shifted
