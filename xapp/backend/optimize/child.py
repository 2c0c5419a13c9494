"""The child process: one job from standard input, one answer on standard output, the end.

When standard input closes before that, whoever asked is gone: the child ends at once, even in the
midst of native code.
"""

import os
import signal
import sys
import threading

import msgspec

from xapp.backend.optimize import jobs
from xapp.backend.optimize.guess import guess
from xapp.backend.optimize.quantize import predicted_bytes, quantize
from xapp.backend.optimize.speed import measure
from xapp.errors import ModelError


def answer(job: jobs.Job) -> jobs.Answer:
    """Does the job; a ModelError becomes Failed."""
    try:
        return _do(job)
    except ModelError as error:
        return jobs.Failed(error.message, error.reason)


def _do(job: jobs.Job) -> jobs.Answer:
    match job:
        case jobs.Size():
            return jobs.Bytes(predicted_bytes(job.source, job.file_type))
        case jobs.Quantize():
            return jobs.Bytes(quantize(job))
        case jobs.Speed():
            return measure(job)
        case jobs.Guess():
            return guess(job)


def main() -> None:
    """Runs it. Ctrl-C reaches the child too, and is the parent's to answer: it ends the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=jobs.Job)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.buffer.write(msgspec.json.encode(answer(job)) + b"\n")
    sys.stdout.buffer.flush()
    os._exit(0)  # the watcher blocks in a read, which an orderly end would wait for


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
