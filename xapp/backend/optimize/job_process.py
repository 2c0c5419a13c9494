"""The child process: one job from standard input, one answer on standard output, then the end.

When standard input closes early, the parent is gone. The child then ends at once, even inside native
code.
"""

import os
import resource
import signal
import sys
import threading

import msgspec

from xapp.backend.node import this_node
from xapp.backend.optimize import jobs
from xapp.backend.optimize.perplexity import guess
from xapp.backend.optimize.quantize import predicted_bytes, quantize
from xapp.backend.optimize.speed import measure
from xapp.backend.optimize.winogrande import choose
from xapp.errors import ModelError

NICENESS = 19
"""Other programs on the node keep their speed. On an idle node the figures do not change."""


def answer(job: jobs.Job) -> jobs.Answer:
    """Does the job. A ModelError becomes Failed."""
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
        case jobs.Choose():
            return choose(job)


def main() -> None:
    """Runs the job. The parent handles Ctrl-C, although the child gets it too: the parent ends the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stand_back()
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=jobs.Job)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.buffer.write(msgspec.json.encode(answer(job)) + b"\n")
    sys.stdout.buffer.flush()
    os._exit(0)  # an orderly end would wait for the watcher, which blocks in a read


def _stand_back() -> None:
    """Gives the child the lowest priority, and limits it to the memory that is free now."""
    os.nice(NICENESS)
    free = this_node().memory_bytes
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = free if most == resource.RLIM_INFINITY else min(free, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
