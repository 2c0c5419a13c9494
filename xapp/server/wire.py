"""Counts the fields of a message in its bytes, before it is parsed.

An empty chat message takes two bytes on the wire, and some fifty bytes once it is parsed. A body within the
size limit may therefore hold the event loop for a tenth of a second, and take a hundred megabytes.
"""

from functools import cache
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor

MAX_FIELDS = 5_000
"""Limit of the fields at all depths. A chat with the largest number of messages has 3,000."""
_SMALLEST_FIELD = 2

_SHIFTS = range(0, 70, 7)
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
_Nested: TypeAlias = dict[int, Descriptor]


def has_too_many_fields(body: bytes, descriptor: Descriptor) -> bool:
    """Whether there are more than MAX_FIELDS. The parser handles malformed bytes."""
    if len(body) <= MAX_FIELDS * _SMALLEST_FIELD:
        return False
    try:
        return _has_more(body, descriptor)
    except (IndexError, ValueError):
        return False


def _has_more(body: bytes, descriptor: Descriptor) -> bool:
    count = 0
    todo = [(0, len(body), _nested(descriptor))]
    while todo:
        position, end, nested = todo.pop()
        while position < end:
            count += 1
            if count > MAX_FIELDS:
                return True
            tag, position = _varint(body, position)
            kind = tag & 7
            if kind == _LENGTH:
                size, position = _varint(body, position)
                if size and tag >> 3 in nested:
                    todo.append((position, min(position + size, end), _nested(nested[tag >> 3])))
                position += size
            elif kind == _VARINT:
                _, position = _varint(body, position)
            elif kind in _FIXED:
                position += _FIXED[kind]
    return False


def _varint(body: bytes, position: int) -> tuple[int, int]:
    """The number and its end. Raises IndexError beyond the end, ValueError when it is too long."""
    if (byte := body[position]) < 0x80:
        return byte, position + 1
    number = 0
    for shift in _SHIFTS:
        byte = body[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ValueError("a varint has at most 10 bytes")


@cache
def _nested(descriptor: Descriptor) -> _Nested:
    """The fields that are messages, by number."""
    return {field.number: field.message_type for field in descriptor.fields if field.message_type is not None}
