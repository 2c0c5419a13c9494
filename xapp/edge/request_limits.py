"""Limits of a request that hold at every door: gRPC and OpenAI's dialect."""

from collections.abc import Sequence

from xapp.errors import InvalidArgument

MAX_STOPS = 16
MAX_STOP_BYTES = 256
MAX_MESSAGES = 1000


def checked_stops(texts: Sequence[str]) -> tuple[str, ...]:
    """The stop texts. Raises InvalidArgument for too many of them, an empty text, or one that is too long."""
    if len(texts) > MAX_STOPS:
        raise InvalidArgument("stop", f"has {len(texts)} texts, at most {MAX_STOPS} are allowed")
    for index, text in enumerate(texts):
        if not 1 <= len(text.encode()) <= MAX_STOP_BYTES:
            raise InvalidArgument(f"stop[{index}]", f"must be 1 to {MAX_STOP_BYTES} bytes of UTF-8")
    return tuple(texts)


def check_num_messages(field: str, count: int) -> None:
    """Before a conversation is converted. Raises InvalidArgument for none, or more than MAX_MESSAGES."""
    if not count:
        raise InvalidArgument(field, "has no message")
    if count > MAX_MESSAGES:
        raise InvalidArgument(field, f"has {count} messages, at most {MAX_MESSAGES} are taken")
