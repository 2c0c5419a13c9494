"""The requested end of the process: by signals, or because its port was lost."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from typing import TypeVar

_T = TypeVar("_T")


class Stop:
    """The requested end of the process."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.listener_lost = False

    def on_signal(self) -> None:
        """The first signal requests an orderly end, a further signal an end at once."""
        (self.at_once if self.asked.is_set() else self.asked).set()

    def on_listener_lost(self) -> None:
        """No call can arrive any more: open calls are drained, and the process's supervisor restarts it."""
        self.listener_lost = True
        self.asked.set()


@contextlib.contextmanager
def signals_to(stop: Stop) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP ask for the end, within the block."""
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT]
    # `nohup` ignores SIGHUP so that the server outlives its terminal.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.on_signal)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def unless(event: asyncio.Event, work: Coroutine[None, None, _T]) -> "asyncio.Future[_T] | None":
    """The result of `work`; None when `event` came first and `work` was cancelled. Raises its error."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return working
        return None
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
