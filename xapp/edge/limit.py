"""Limit: a bound on concurrent holders."""

from collections.abc import Iterator
from contextlib import contextmanager

from xapp.errors import Exhausted

_RETRY_AFTER_S = 5.0


class Limit:
    """At most `most` holders. `what` names the holders in the error."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._num_open = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Takes a place for the block. Raises Exhausted, reason TOO_MANY_STREAMS, without a free place."""
        if self._num_open >= self._most:
            message = f"{self._most} {self._what} are open, no more are allowed"
            raise Exhausted(message, reason="TOO_MANY_STREAMS", retry_after_s=_RETRY_AFTER_S)
        self._num_open += 1
        try:
            yield
        finally:
            self._num_open -= 1
