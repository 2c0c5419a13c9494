"""The status of a call that ends while its client still writes.

As soon as a write fails, grpc.aio sets the status of a bidirectional call to INTERNAL ("Internal error from
Core"), and drops the status that the server has sent. A refused stream then has no reason. Here the server's
status is waited for: it always comes.
"""

from typing import Any


class _CallOfCore:
    """The core's call, which keeps the server's status."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def set_internal_error(self, text: str) -> None:
        """A write failed."""


def keeping_status(call: Any) -> Any:
    """The call of a method whose requests are a stream."""
    if hasattr(call, "_cython_call"):
        call._cython_call = _CallOfCore(call._cython_call)
    return call
