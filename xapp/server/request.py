"""Parses a request's bytes."""

from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from xapp.edge.turns import Turns
from xapp.errors import InvalidArgument
from xapp.server import wire
from xapp.server.call import Call, Guard, Parse
from xapp.server.receipt import Receipts


def reading(receipts: Receipts) -> Guard:
    """A guard: reads a single request. The messages of a stream are left to its method."""
    turns = Turns()

    async def read(call: Call) -> None:
        if call.method.takes_stream:
            call.request = receipts.stream(call.request)
            return
        body = await receipts.read(call.context)
        await turns.take(len(body))
        call.request = call.method.parse(body)

    return read


def bounded(parse: Parse) -> Parse:
    """`parse` for bytes from callers. Raises InvalidArgument for an oversized or invalid message."""
    descriptor: Descriptor = parse(b"").DESCRIPTOR

    def parse_bounded(body: bytes) -> Any:
        if wire.has_too_many_fields(body, descriptor):
            raise InvalidArgument("request", f"has more than {wire.MAX_FIELDS} fields in all")
        try:
            return parse(body)
        except DecodeError as error:
            raise InvalidArgument(
                "request", "is not a valid message of this type", reason="MALFORMED_REQUEST"
            ) from error

    return parse_bounded
