"""A bound on how many of something run at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from xapp.errors import Exhausted

_RETRY_AFTER_S = 5.0


class Limit:
    """At most `most` holders; `what` names them in the error."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._held = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Takes a place for the block. Raises Exhausted, reason TOO_MANY_STREAMS, when there is none."""
        if self._held >= self._most:
            message = f"{self._most} {self._what} are open, no more are allowed"
            raise Exhausted(message, reason="TOO_MANY_STREAMS", retry_after_s=_RETRY_AFTER_S)
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
