"""An HTTP port: listening, TLS, bounds, and what the log says of requests that are no HTTP."""

import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from xapp.edge.doorway import Room, Site
from xapp.errors import ConfigError
from xapp.hosts import host_port
from xapp.security.https import latest_context
from xapp.security.security import Security

_SHUTDOWN_S = 1.0
_BACKLOG = 1024
"""A caller must not wait behind a burst of connections: a SYN that is dropped comes again after 1 s."""

_log = logging.getLogger(__name__)


class _CallersFaults(logging.Filter):
    """aiohttp logs a traceback for each request that is no HTTP: that says nothing about this server."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        _log.debug("%s: %s", record.getMessage(), " ".join(str(error).split())[:200])
        return False


_CALLERS_FAULTS = _CallersFaults()


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where a port listens. `key` names its setting in errors."""

    host: str
    port: int
    key: str


@contextlib.asynccontextmanager
async def http_port(
    app: web.Application, address: HttpAddress, room: Room, security: Security | None, **options: Any
) -> AsyncIterator[int]:
    """Serves the application for the length of the block; the value is the port's number.

    Without `security`, or without a certificate in it, the port is plain text. `options` are those of
    aiohttp's AppRunner. Raises ConfigError with the key when the port cannot be had.
    """
    logging.getLogger("aiohttp.server").addFilter(_CALLERS_FAULTS)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S, **options)
    await runner.setup()
    try:
        yield await _listen(runner, address, room, security)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: HttpAddress, room: Room, security: Security | None) -> int:
    certificates = security.certificates if security else None
    context = latest_context(certificates) if certificates else None
    site = Site(runner, address.host, address.port, room, backlog=_BACKLOG, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        where = host_port(address.host, address.port)
        raise ConfigError(address.key, f"cannot listen on {where}: {error.strerror}") from error
    port: int = runner.addresses[0][1]
    return port
