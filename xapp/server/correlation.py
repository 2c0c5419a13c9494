"""Correlation: the name of a call in the logs, from the request, else from the metadata, else a new name."""

import uuid

from xapp import logs
from xapp.edge import caller_text
from xapp.server.call import Call

CORRELATION_KEY = "x-correlation-id"


async def name_call(call: Call) -> None:
    """A guard: names the call for the logs, and sends the name to the client with the first message."""
    name = _correlation_id(call) or uuid.uuid4().hex
    logs.correlation_id.set(name)
    if name.isascii():
        call.headers = ((CORRELATION_KEY, name),)


def _correlation_id(call: Call) -> str:
    if given := getattr(call.request, "correlation_id", ""):
        return caller_text.correlation_id("correlation_id", given)
    for key, value in call.context.invocation_metadata() or ():
        if key == CORRELATION_KEY:
            return caller_text.ascii_correlation_id(f"metadata.{CORRELATION_KEY}", value)
    return ""
