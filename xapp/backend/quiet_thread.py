"""QuietThread: computes in a thread that leaves the cores to other work of the node.

On a small node the worker of an embedding model and the worker of a language model share the cores. A batch
of passages, for which nobody waits, must not slow down running answers. The kernel gives a thread of a high
niceness little time while others want it, and all of the time otherwise. Niceness can only be raised without
privileges, so that work for which somebody waits stays in another thread.

Threads that a compute thread starts inherit its niceness.
"""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

NICENESS = 10
"""About a tenth of a core beside one busy thread: the work advances, and an answer slows down by less."""

_Work = Callable[[], None]


class QuietThread:
    """Runs one piece of work at a time. The thread starts with the first piece."""

    def __init__(self, niceness: int = NICENESS) -> None:
        self._niceness = niceness
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
        _raise_niceness(self._niceness)
        while (work := self._work.get()) is not None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  raised again by `run`
                self._results.put(error)
            else:
                self._results.put(None)


def _raise_niceness(niceness: int) -> None:
    """Of this thread alone: Linux keeps a niceness for each thread."""
    thread = threading.get_native_id()
    present = os.getpriority(os.PRIO_PROCESS, thread)
    os.setpriority(os.PRIO_PROCESS, thread, max(present, niceness))
