"""What a node sends, as text. A newer node has values that this client does not know, a broken one any."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp


def name_of(enum: Any, number: int, prefix: str) -> str:
    """The name of an enum's value, without the prefix and in small letters; the number of an unknown one."""
    if number not in enum.values():
        return str(number)
    name: str = enum.Name(number)
    return name.removeprefix(prefix).lower()


def time_of_day(at: Timestamp) -> str:
    """Hours, minutes and seconds in UTC."""
    try:
        return at.ToDatetime().strftime("%H:%M:%S")
    except (ValueError, OverflowError):
        return "--:--:--"


def share(value: float) -> float:
    """A share of a whole, 0 where it is none."""
    return value if 0 <= value <= 1 else 0.0
