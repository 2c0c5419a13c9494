"""Requests to one HTTP server, on connections of their own or on kept ones. Knows no dialect."""

from collections.abc import Mapping, Sequence

from perf.targets.http_answer import Head, Read, body
from perf.targets.http_connection import Exchange, HttpConnection, connect
from perf.targets.http_endpoint import HttpEndpoint
from perf.targets.target import TargetError

_SHOWN_BYTES = 2_000
_CODES = {401: "refused", 403: "refused", 429: "refused", 503: "refused", 400: "invalid", 413: "invalid"}
_NOT_HERE = {404, 405, 501}


class HttpClient:
    """One server. `keep_connections`: a request takes a connection that is open, where there is one."""

    def __init__(self, url: str, headers: Mapping[str, str], *, keep_connections: bool) -> None:
        self._url = url
        self._headers = headers
        self._keep = keep_connections
        self._idle: list[HttpConnection] = []

    @property
    def endpoint(self) -> HttpEndpoint:
        """Raises TargetError (`unreachable`) when the URL is none."""
        try:
            return HttpEndpoint.parse(self._url)
        except ValueError as error:
            raise TargetError("unreachable", str(error)) from error

    async def send(self, method: str, path: str, message: bytes) -> "SentRequest":
        """Sends one; its clock starts when it has a connection. Raises TargetError (`unreachable`)."""
        endpoint = self.endpoint
        request = endpoint.request(method, path, message, self._headers, keep=self._keep)
        while self._idle:
            if (kept := self._idle.pop()).usable:
                return SentRequest(self, endpoint, path, request, kept)
        return SentRequest(self, endpoint, path, request, await connect(endpoint))

    def take_back(self, connection: HttpConnection) -> None:
        """A connection whose answer has ended."""
        if self._keep and connection.usable:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Ends the connections on which nothing is under way. Safe to call twice."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class SentRequest:
    """A request under way. Sent once more, on a new connection, where a kept one turns out to be closed."""

    def __init__(
        self,
        client: HttpClient,
        endpoint: HttpEndpoint,
        path: str,
        request: bytes,
        connection: HttpConnection,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._where = f"{endpoint.url}{path}"
        self._request = request
        self._connection = connection
        self.exchange = connection.send(request)

    async def begun(self) -> None:
        """Returns when the first event is there, or the end. Raises TargetError (`unreachable`)."""
        await self.exchange.started.wait()
        if self.exchange.stale:
            self._connection = await connect(self._endpoint)
            self.exchange = self._connection.send(self._request)
            await self.exchange.started.wait()

    async def answer(self) -> tuple[Head, list[Read]]:
        """Waits for the end: the head, and the body. Raises TargetError for another status than 200."""
        await self.begun()
        await self.exchange.ended.wait()
        head = _whole_head(self.exchange, self._endpoint.url)
        reads = list(body(self.exchange.reads, head))
        self._client.take_back(self._connection)
        _check_status(head, reads, self._where)
        return head, reads

    def close(self) -> None:
        """Ends the connection, unless the answer has ended."""
        if not self.exchange.ended.is_set():
            self._connection.close()


def _whole_head(exchange: Exchange, url: str) -> Head:
    match exchange.error:
        case TargetError() as error:
            hint = " (a gRPC node is measured with --target)" if exchange.head is None else ""
            raise TargetError(error.code, f"{url}: {error}{hint}") from error
        case Exception() as error:
            raise TargetError("lost", f"{url}: {error or type(error).__name__}") from error
    if exchange.head is None:
        raise TargetError("lost", f"{url}: the connection ended before an answer")
    return exchange.head


def _check_status(head: Head, reads: Sequence[Read], where: str) -> None:
    if head.status == 200:
        return
    said = b"".join(read.data for read in reads)[:_SHOWN_BYTES].decode(errors="replace").strip()
    message = f"{where} answered {head.status} {head.reason}: {said}"
    if head.status in _NOT_HERE:
        raise TargetError("protocol", f"{message}: no OpenAI-compatible server")
    code = _CODES.get(head.status, "lost" if head.status >= 500 else "protocol")
    raise TargetError(code, message, retry_after_s=_retry_after(head.headers.get("retry-after")))


def _retry_after(header: str | None) -> float | None:
    try:
        return None if header is None else float(header)
    except ValueError:
        return None  # a date: no server we know sends one
