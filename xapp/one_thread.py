"""A thread of its own for work that must not hold up the event loop, and is done one after the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from xapp.errors import Exhausted

MAX_PENDING = 64
RETRY_AFTER_S = 1.0

_T = TypeVar("_T")


class OneThread:
    """Work for callers is bounded in number; `what` names it in the error, in the plural."""

    def __init__(self, name: str, what: str) -> None:
        self._what = what
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._num_pending = 0

    async def run(self, function: Callable[[], _T]) -> _T:
        """For the node itself: always taken."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    async def run_for_caller(self, function: Callable[[], _T]) -> _T:
        """Raises Exhausted when MAX_PENDING of callers are pending."""
        if self._num_pending >= MAX_PENDING:
            raise Exhausted(
                f"{self._num_pending} {self._what} are being checked", retry_after_s=RETRY_AFTER_S
            )
        self._num_pending += 1
        try:
            return await self.run(function)
        finally:
            self._num_pending -= 1

    def close(self) -> None:
        """Ends the thread once it is idle."""
        self._pool.shutdown(wait=False)
