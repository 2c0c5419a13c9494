"""Outbox: tells a peer the latest state of a bounded number of things.

A state that is outdated before it is sent is never sent. So an hour without the peer costs nothing: in the
end it gets the present states.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from xapp import logs
from xapp.ric.backoff import Backoff
from xapp.ric.platform import PlatformError

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Outbox(Generic[_T]):
    """`send` raises PlatformError. A state that `is_last` is forgotten once it was sent.

    There are at most `most` things. A new thing beyond that is not sent, and `num_dropped` counts it.
    """

    def __init__(
        self,
        peer: str,
        send: Callable[[str, _T], Awaitable[None]],
        *,
        most: int,
        is_last: Callable[[_T], bool],
        backoff: Backoff | None = None,
    ) -> None:
        self._peer = peer
        self._send = send
        self._most = most
        self._is_last = is_last
        self._backoff = backoff or Backoff()
        self._states: dict[str, _T] = {}
        self._told: dict[str, _T] = {}
        self._tried: set[str] = set()
        self._changed = asyncio.Event()
        self._is_failing = False
        self.num_dropped = 0

    @property
    def states(self) -> dict[str, _T]:
        """The states that the peer must get."""
        return dict(self._states)

    def put(self, key: str, state: _T) -> None:
        """Sets the state of `key`."""
        if self._is_last(state) and key not in self._tried:
            self._states.pop(key, None)
        elif key in self._states or len(self._states) < self._most:
            self._states[key] = state
            self._changed.set()
        else:
            self.num_dropped += 1

    def tell_again(self) -> None:
        """Sends all states again: the peer may have lost them."""
        self._told.clear()
        self._changed.set()

    async def flush(self) -> None:
        """Sends the states that the peer does not have yet. Raises PlatformError at the first failure."""
        for key, state in list(self._states.items()):
            if self._told.get(key) == state:
                continue
            self._tried.add(key)
            await self._send(key, state)
            self._told[key] = state
            if self._is_last(state) and self._states.get(key) == state:
                self._forget(key)

    def _forget(self, key: str) -> None:
        del self._states[key], self._told[key]
        self._tried.discard(key)

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.flush()
            except PlatformError as error:
                self._changed.set()
                self._say(error)
                await asyncio.sleep(self._backoff.next_s())
            else:
                self._say(None)
                self._backoff.reset()

    def _say(self, error: PlatformError | None) -> None:
        """Logs the first failure, and the first success after failures."""
        if (error is not None) == self._is_failing:
            return
        self._is_failing = error is not None
        fields: dict[str, object] = {"event": "ric_peer", "peer": self._peer, "ok": error is None}
        text = f"{self._peer} {error}" if error else f"{self._peer} answers again"
        logs.event(_log, text, fields, level=logging.WARNING if error else logging.INFO)
