"""From a request's bytes to its message."""

from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from xapp.errors import InvalidArgument
from xapp.server import wire
from xapp.server.call import Call, Guard, Parse
from xapp.server.receipt import Receipts
from xapp.server.turns import Turns


def reading(receipts: Receipts) -> Guard:
    """Reads the request of a method that takes a single one; a stream is left to its method."""
    turns = Turns()

    async def read(call: Call) -> None:
        if not call.method.takes_stream:
            body = await receipts.read(call.context)
            await turns.take(len(body))
            call.request = call.method.parse(body)

    return read


def bounded(parse: Parse) -> Parse:
    """`parse` for what callers send. Raises InvalidArgument for what it should not parse, or cannot."""
    descriptor: Descriptor = parse(b"").DESCRIPTOR

    def parse_bounded(body: bytes) -> Any:
        if wire.has_too_many_fields(body, descriptor):
            raise InvalidArgument("request", f"has more than {wire.MAX_FIELDS} fields in all")
        try:
            return parse(body)
        except DecodeError as error:
            raise InvalidArgument(
                "request", "is no valid message of this type", reason="MALFORMED_REQUEST"
            ) from error

    return parse_bounded
