"""The one place where an error becomes a status, and where a request gets its name for the logs.

It wraps the methods written here, once each; a stream's messages do not pass through it.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from xapp import logs
from xapp.errors import InvalidArgument, XappError
from xapp.metrics import Metrics
from xapp.server import convert, wire
from xapp.server.receipt import Receipts
from xapp.server.status import DETAILS_KEY, code_of, status_of

CORRELATION_KEY = "x-correlation-id"
_OWN_METHODS = ("/xapp.", "/grpc.health.")
_STATUS_TIMEOUT_S = 1.0

_log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Translates XappError to a rich status, anything else to INTERNAL; cancellation passes."""

    def __init__(self, metrics: Metrics, receipts: Receipts) -> None:
        self._metrics = metrics
        self._receipts = receipts
        self._guarded: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The method's handler, guarded; None where there is no such method."""
        method: str = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(_OWN_METHODS):
            return handler
        if method not in self._guarded:
            self._guarded[method] = self._guard_handler(method, handler)
        return self._guarded[method]

    def _guard_handler(self, method: str, handler: Handler) -> Handler:
        # The request is read and parsed in the guard: a body that does not come, or is no such message, is
        # the caller's error too. On the wire a stream of one request is what a single request is.
        # grpc's types know handlers of the blocking server only.
        any_handler: Any = handler
        behaviour = any_handler.unary_stream or any_handler.unary_unary
        guarded: Any = self._guard(method, behaviour, any_handler.request_deserializer)
        wrap = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        return wrap(guarded, response_serializer=handler.response_serializer)

    def _guard(self, method: str, behaviour: Behaviour, parse: Callable[[bytes], Any]) -> Behaviour:
        descriptor: Descriptor = parse(b"").DESCRIPTOR

        async def guarded(_: object, context: Context) -> Any:
            try:
                request = _parse(parse, descriptor, await self._receipts.read(context))
                await _name_request(request, context)
                return await behaviour(request, context)
            except XappError as error:
                await self._refuse(method, context, error)
            except grpc.aio.AbortError:
                raise
            except grpc.aio.BaseError as error:
                # gRPC could not write: the client is gone, and there is nobody to tell.
                _log.debug("%s: the client is gone: %s", method, error)
            except Exception as error:  # noqa: BLE001  the boundary: a defect must not look like a lost connection
                logs.event(_log, "internal error", {"method": method}, level=logging.ERROR, error=error)
                await self._refuse(method, context, XappError("internal error, see the server's log"))

        return guarded

    async def _refuse(self, method: str, context: Context, error: XappError) -> None:
        self._metrics.rpc_errors.labels(method, error.code).inc()
        status = status_of(error)
        details = ((DETAILS_KEY, status.SerializeToString()),)
        try:
            # A status waits behind messages that a client does not read; this task must not.
            async with asyncio.timeout(_STATUS_TIMEOUT_S):
                await context.abort(code_of(error), status.message, details)
        except TimeoutError:
            _log.debug("%s: the client does not read its status", method)


def _parse(parse: Callable[[bytes], Any], descriptor: Descriptor, body: bytes) -> Any:
    if wire.has_too_many_fields(body, descriptor):
        raise InvalidArgument("request", f"has more than {wire.MAX_FIELDS} fields in all")
    try:
        return parse(body)
    except DecodeError as error:
        raise InvalidArgument(
            "request", "is no valid message of this type", reason="MALFORMED_REQUEST"
        ) from error


async def _name_request(request: Any, context: Context) -> None:
    name = _correlation_id(request, context) or uuid.uuid4().hex
    logs.correlation_id.set(name)
    if name.isascii():
        await context.send_initial_metadata(((CORRELATION_KEY, name),))


def _correlation_id(request: Any, context: Context) -> str:
    if given := getattr(request, "correlation_id", ""):
        return convert.to_correlation_id("correlation_id", given)
    for key, value in context.invocation_metadata() or ():
        if key == CORRELATION_KEY:
            return convert.to_ascii_correlation_id(f"metadata.{CORRELATION_KEY}", value)
    return ""
