"""The guards of the port as one middleware, and the only place where an error becomes the dialect's."""

import asyncio
import logging
import uuid
from collections.abc import Mapping

from aiohttp import HttpVersion10, web
from aiohttp.typedefs import Handler, Middleware

from xapp import logs
from xapp.edge import caller_text
from xapp.edge.http_caller import outcome_of, path_of, shown
from xapp.errors import InvalidArgument, NotFound, XappError
from xapp.gateway import node_routes, routes, vector_routes
from xapp.gateway.browsers import Browsers
from xapp.gateway.dialect_errors import refusal
from xapp.gateway.extensions import CLIENT, CORRELATION
from xapp.gateway.page_routes import FILE_PATH, PAGE_PATH
from xapp.gateway.routes import HEALTH_PATH
from xapp.security import principal
from xapp.security.access import HEALTH, Access
from xapp.security.audit import audited
from xapp.security.refusals import NOT_LET_IN, Refusals
from xapp.telemetry.metrics import Metrics

_METHODS = routes.METHODS | node_routes.METHODS | vector_routes.METHODS
_OPEN_PATHS = frozenset((PAGE_PATH, FILE_PATH))
"""The page itself has no secrets; a caller enters the key there."""

_SERVER = "genai-xapp"
_CHUNKED = "chunked"
_FIELD = "X-Request-Id"
"""The header that OpenAI's clients show as the id of a request."""

_HEADERS = web.RequestKey("headers", dict[str, str])
"""The headers of the response."""
_log = logging.getLogger(__name__)


class Guards:
    """`open` has the open requests by their connections."""

    def __init__(self, access: Access, browsers: Browsers, metrics: Metrics) -> None:
        self._access = access
        self._browsers = browsers
        self._metrics = metrics
        self._refusals = Refusals()
        self.open: dict[asyncio.BaseTransport, web.Request] = {}

    def is_busy(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the connection has an open request that has arrived.

        Otherwise bodies that come by the byte would take every connection, and keep it.
        """
        request = self.open.get(transport)
        return request is not None and request.content.is_eof()

    def middleware(self) -> Middleware:
        """Runs the guards, then the handler."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            transport = request.transport
            if transport is None:
                raise ConnectionResetError("the client is gone")
            self.open[transport] = request
            try:
                return await self._answer(request, handler)
            finally:
                self.open.pop(transport, None)

        return guard

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        name = uuid.uuid4().hex
        try:
            _check_wire(request)
            self._browsers.check(request)
            if (answer := self._browsers.preflight(request)) is not None:
                return answer
            self._let_in(request)
            name = _correlation_id(request) or name
            logs.correlation_id.set(name)
            _check_no_query(request)
            request[_HEADERS] = self._headers(request, name)
            with audited(path_of(request), request.remote or "", outcome_of=outcome_of):
                return await handler(request)
        except web.HTTPException as error:
            refused = _as_error(request, error)
        except XappError as error:
            refused = error
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001  the boundary: a defect must not look like a lost connection
            logs.event(_log, "internal error", {"path": path_of(request)}, level=logging.ERROR, error=error)
            refused = XappError("internal error, see the server's log")
        return self._refuse(request, refused, self._headers(request, name))

    def _headers(self, request: web.Request, name: str) -> dict[str, str]:
        names = {CORRELATION: name, _FIELD: name} if name.isascii() else {}
        return names | self._browsers.headers(request)

    def _let_in(self, request: web.Request) -> None:
        """Sets the principal. Raises Unauthenticated, PermissionDenied, Exhausted."""
        access = self._access
        path = path_of(request)
        if path in _OPEN_PATHS or (path == HEALTH_PATH and access.is_open(HEALTH)):
            return
        claim = "" if access.required else caller_text.client_id(CLIENT, request.headers.get(CLIENT, ""))
        caller = access.identify(shown(request, claim))
        principal.enter(caller)
        if (method := _METHODS.get(path)) is not None and access.required:
            access.policy.check_method(caller, method, for_admins=path in node_routes.FOR_ADMINS)
        access.open_calls.enter(request.remote or "")

    def _refuse(self, request: web.Request, error: XappError, headers: Mapping[str, str]) -> web.Response:
        path = path_of(request)
        if path:
            self._metrics.rpc_errors.labels(path, error.code).inc()
        if isinstance(error, NOT_LET_IN):
            self._refusals.log(path, request.remote or "", error)
        return refusal(error, headers)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A signal before each response is sent: the headers that name the request."""
    response.headers["Server"] = _SERVER
    response.headers.update(request.get(_HEADERS, {}))


def _check_wire(request: web.Request) -> None:
    """What the HTTP parser takes and another server before this one may read in another way."""
    if request.version < HttpVersion10:
        raise InvalidArgument("version", "HTTP/1.0 and HTTP/1.1 are spoken")
    coding = request.headers.get("Transfer-Encoding", _CHUNKED)
    if coding.strip().lower() != _CHUNKED:
        raise InvalidArgument("Transfer-Encoding", f"is not {_CHUNKED}")


def _correlation_id(request: web.Request) -> str:
    return caller_text.ascii_correlation_id(CORRELATION, request.headers.get(CORRELATION, ""))


def _check_no_query(request: web.Request) -> None:
    """A key in a URL ends in the logs of every proxy, so no parameter is accepted there."""
    if request.query_string:
        text = "parameters are not accepted in the URL; a key belongs into the header Authorization"
        raise InvalidArgument("URL", text, reason="QUERY_NOT_TAKEN")


def _as_error(request: web.Request, error: web.HTTPException) -> XappError:
    if error.status == 404:
        return NotFound(f"there is no path {request.path[:128]!r}", reason="UNKNOWN_PATH")
    if error.status == 405:
        return InvalidArgument("method", f"{request.method} is not for this path", reason="NOT_HERE")
    return InvalidArgument("request", error.reason)
