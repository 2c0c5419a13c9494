"""QuietThread: computes in a thread that leaves the cores to other work of the node.

On a small node the worker of an embedding model and the worker of a language model share the cores. A batch
of passages, for which nobody waits, must not slow down running answers. Linux runs a thread of the policy
SCHED_IDLE while a core has nothing else to do, and takes the core from it as soon as there is other work.
Niceness alone is not enough: the threads of the language model sleep for microseconds, hundreds of times a
token, and each time would find the core taken for milliseconds.

A thread cannot leave the policy without privileges, so that work for which somebody waits stays in another
thread. Threads that a compute thread starts inherit the policy.
"""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

NICENESS = 19
"""Where the policy is not to be had."""

_Work = Callable[[], None]


class QuietThread:
    """Runs one piece of work at a time. The thread starts with the first piece."""

    def __init__(self) -> None:
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._results: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, work: _Work) -> None:
        """Returns when the work is done. Raises its exception."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="quiet", daemon=True)
            self._thread.start()
        self._work.put(work)
        if (error := self._results.get()) is not None:
            raise error

    def close(self) -> None:
        """Ends the thread."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        _make_way()
        while (work := self._work.get()) is not None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  raised again by `run`
                self._results.put(error)
            else:
                self._results.put(None)


def _make_way() -> None:
    """For this thread alone: Linux keeps policy and niceness for each thread."""
    thread = threading.get_native_id()
    try:
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
    except OSError:  # a sandbox may forbid it
        present = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, max(present, NICENESS))
