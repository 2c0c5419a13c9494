"""The hop count of a request: how many nodes have sent it on. gRPC metadata, or a header of HTTP."""

from contextvars import ContextVar

from xapp.errors import InvalidArgument

KEY = "x-xapp-hops"
MAX_HOPS = 255
current: ContextVar[int] = ContextVar("hops", default=0)
"""Of the request that is being served."""


def parse(value: str | bytes) -> int:
    """The count. Raises InvalidArgument: a count that cannot be read must not become 0."""
    text = value if isinstance(value, str) else value.decode("latin-1")
    if not text.isascii() or not text.isdecimal() or len(text) > 3 or int(text) > MAX_HOPS:
        raise InvalidArgument(f"metadata.{KEY}", f"must be a number from 0 to {MAX_HOPS}")
    return int(text)
