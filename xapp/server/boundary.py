"""Boundary: the only place where an error becomes a status. It wraps each method and runs the guards in
order.

The messages of an answer do not pass through it.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, TypeAlias

import grpc

from xapp import logs
from xapp.errors import XappError
from xapp.security.audit import NAMES, audited
from xapp.security.refusals import NOT_LET_IN, Refusals
from xapp.server.call import Call, Context, Guard, Method
from xapp.server.headers import HeadersFirst
from xapp.server.load_reports import NO_LOADS, CallLoad, CallLoads, Trailers
from xapp.server.request import bounded
from xapp.server.status import DETAILS_KEY, code_of, status_of
from xapp.telemetry.metrics import Metrics

_STATUS_TIMEOUT_S = 1.0

_log = logging.getLogger(__name__)

Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Boundary:
    """Turns an XappError into a rich status, and any other error into INTERNAL. Cancellation passes.

    `guards` run in this order before every method, and their errors become a status as well. `loads` counts
    each call and provides its trailer.
    """

    def __init__(self, metrics: Metrics, guards: Sequence[Guard], loads: CallLoads = NO_LOADS) -> None:
        self._metrics = metrics
        self._loads = loads
        self._refusals = Refusals()
        self._guards = tuple(guards)

    def wrap(self, path: str, handler: Handler) -> Handler:
        """The method's handler, guarded."""
        # grpc's types know handlers of the blocking server only.
        any_handler: Any = handler
        parse = bounded(any_handler.request_deserializer)
        method = Method(path, handler.request_streaming, parse)
        guarded: Any = self._guard(method, _behaviour(any_handler))
        wrap = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        # A guard reads and parses a single request, so that a body that is missing or invalid is the
        # caller's error, too. On the wire a single request is a stream of one message.
        return wrap(
            guarded,
            request_deserializer=parse if method.takes_stream else None,
            response_serializer=handler.response_serializer,
        )

    def _guard(self, method: Method, behaviour: Behaviour) -> Behaviour:
        async def guarded(requests: object, context: Context) -> Any:
            with self._loads.call(method.path) as load:
                return await end(requests, context, load)

        async def end(requests: object, context: Context, load: CallLoad) -> Any:
            call = Call(method, context, requests)
            try:
                with audited(method.path, context.peer(), lambda: _names(call)), _leaving(method.path):
                    answer = await self._answer(call, behaviour)
                if trailers := load.trailers():
                    context.set_trailing_metadata(trailers)
            except XappError as error:
                refusal = _alone(error)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001  the boundary: a defect must not look like a lost connection
                logs.event(_log, "internal error", {"method": method.path}, level=logging.ERROR, error=error)
                refusal = XappError("internal error, see the server's log")
            else:
                return answer
            # Outside the blocks above: gRPC keeps the error that abort raises, with its whole context.
            load.refused(refusal)
            await self._refuse(method.path, context, refusal, (*call.headers, *load.trailers()))
            return None

        return guarded

    async def _answer(self, call: Call, behaviour: Behaviour) -> Any:
        for guard in self._guards:
            await guard(call)
        context = HeadersFirst(call)
        answer = await behaviour(call.request, context.as_context)
        if answer is not None:
            await context.begin()
        return answer

    async def _refuse(self, path: str, context: Context, error: XappError, trailers: Trailers) -> None:
        self._metrics.rpc_errors.labels(path, error.code).inc()
        if isinstance(error, NOT_LET_IN):
            self._refusals.log(path, context.peer(), error)
        status = status_of(error)
        details = ((DETAILS_KEY, status.SerializeToString()), *trailers)
        try:
            # A status waits behind messages that a client does not read. This task must not wait.
            async with asyncio.timeout(_STATUS_TIMEOUT_S):
                await context.abort(code_of(error), status.message, details)
        except TimeoutError:
            _log.debug("%s: the client does not read its status", path)


@contextmanager
def _leaving(path: str) -> Iterator[None]:
    """A message that cannot be written cancels the call: its client is gone.

    After a plain return grpc.aio would try to send a status. Each batch of gRPC's that fails leaves about a
    hundred bytes in the process for good.
    """
    try:
        yield
    except grpc.aio.AbortError:
        raise
    except grpc.aio.BaseError as error:
        _log.debug("%s: the client is gone: %s", path, error)
        raise asyncio.CancelledError from None


def _names(call: Call) -> dict[str, str]:
    """The fields of a request for the log."""
    found = {key: getattr(call.request, key, "") for key in NAMES}
    return {key: value for key, value in found.items() if value and isinstance(value, str)}


def _alone(error: XappError) -> XappError:
    """Removes the error's frames, which hold the request and its tokens: gRPC's state of a refused call is a
    circle of references, and may stay for long.
    """
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def _behaviour(handler: Any) -> Behaviour:
    """The method for gRPC, for each of the four shapes; a method that yields is turned into one that
    writes.
    """
    shapes = (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
    behaviour = next(filter(None, shapes))
    return _writing(behaviour) if inspect.isasyncgenfunction(behaviour) else behaviour


def _writing(generate: Callable[[Any, Context], AsyncGenerator[Any, None]]) -> Behaviour:
    async def behaviour(request: Any, context: Context) -> None:
        async with aclosing(generate(request, context)) as messages:
            async for message in messages:
                await context.write(message)

    return behaviour
