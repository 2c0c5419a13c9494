"""A client may ping as often as it likes: each ping is answered, and no connection is ended for it."""

import asyncio
import struct

from tests.server import raw_http2
from tests.server.conftest import Node

PATIENCE_S = 60.0
NUM_PINGS = 3000
_PING, _GOAWAY = 6, 7
_ACK = 1


def ping(number: int) -> bytes:
    """A frame with the number as its eight bytes."""
    return raw_http2.frame(_PING, 0, 0, struct.pack("!Q", number))


async def answered(reader: asyncio.StreamReader) -> int:
    """The number of the next answer to a ping."""
    while True:
        head = await reader.readexactly(9)
        body = await reader.readexactly(int.from_bytes(head[:3], "big"))
        assert head[3] != _GOAWAY, body
        if head[3] == _PING and head[4] & _ACK:
            return int(struct.unpack("!Q", body)[0])


async def test_many_pings_in_one_write_are_all_answered(node: Node) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    try:
        # An open call: without one gRPC applies other limits to pings.
        writer.write(raw_http2.opening("/grpc.health.v1.Health/Check", b"", claimed=1))
        writer.write(b"".join(map(ping, range(NUM_PINGS))))
        async with asyncio.timeout(PATIENCE_S):
            assert [await answered(reader) for _ in range(NUM_PINGS)] == list(range(NUM_PINGS))
            writer.write(ping(NUM_PINGS))  # gRPC tells the end of a connection behind its answers
            assert await answered(reader) == NUM_PINGS
    finally:
        writer.close()
        await writer.wait_closed()
