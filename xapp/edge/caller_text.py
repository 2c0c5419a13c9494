"""Short texts that callers of every edge send: their own names, and the names of their requests."""

from xapp.errors import InvalidArgument

MAX_CHARS = 128


def client_id(field: str, text: str) -> str:
    """What a caller calls itself. `field` is its place. Raises InvalidArgument."""
    if len(text) > MAX_CHARS or not (text.isascii() and text.isprintable()):
        raise InvalidArgument(field, f"must be at most {MAX_CHARS} printable ASCII characters")
    return text


def correlation_id(field: str, text: str) -> str:
    """A request's name from the caller. Raises InvalidArgument."""
    if len(text) > MAX_CHARS or not text.isprintable():
        raise InvalidArgument(field, f"must be at most {MAX_CHARS} printable characters")
    return text


def ascii_correlation_id(field: str, value: str | bytes) -> str:
    """A name from metadata or a header, whose values are ASCII. gRPC passes on any bytes."""
    text = value if isinstance(value, str) else value.decode("latin-1")
    if not text.isascii():
        raise InvalidArgument(field, "must be printable ASCII")
    return correlation_id(field, text)
