"""Frames: the messages between processes of this node on a socket.

A frame is a 4-byte big-endian length and that many bytes of MessagePack: one tagged struct.
"""

import struct

import msgspec

MAX_FRAME_BYTES = 16 * 1024 * 1024
_LENGTH = struct.Struct("!I")
_encoder = msgspec.msgpack.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """One frame."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class FrameBuffer:
    """Cuts a byte stream into frame bodies. Raises ValueError on a frame over MAX_FRAME_BYTES."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Adds bytes. Returns the bodies that are now complete, in order."""
        if not self._data and len(data) >= _LENGTH.size and _LENGTH.unpack_from(data)[0] == len(data) - 4:
            return [data[_LENGTH.size :]]  # one whole frame: nearly every time
        self._data += data
        bodies = []
        start = 0
        while len(self._data) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data, start)
            if length > MAX_FRAME_BYTES:
                raise ValueError(f"frame of {length} bytes exceeds {MAX_FRAME_BYTES}")
            end = start + _LENGTH.size + length
            if len(self._data) < end:
                break
            bodies.append(bytes(self._data[start + _LENGTH.size : end]))
            start = end
        if start:
            del self._data[:start]
        return bodies
