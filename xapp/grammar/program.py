"""A compiled grammar: what goes to a worker. Small, flat, and checked before it is made."""

from typing import TypeAlias

import msgspec

Symbol: TypeAlias = int | str | tuple[int, int, int | None]
"""A set of characters (its index), a rule (~ its index), a text, or a rule repeated: index, low, high."""
Alternative: TypeAlias = list[Symbol]


class Program(msgspec.Struct, frozen=True, array_like=True):
    """Rule 0 is the root. A set is an ascending list of code points where membership changes:
    begin, end (exclusive), begin, end …
    """

    rules: list[list[Alternative]]
    sets: list[list[int]]

    def encode(self) -> bytes:
        """For the way to the worker."""
        return _encoder.encode(self)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Program)


def decode_program(data: bytes) -> Program:
    """Raises msgspec.ValidationError when it is none."""
    program: Program = _decoder.decode(data)
    return program
