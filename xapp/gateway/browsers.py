"""What web pages may do here: nothing, unless the operator names their origin.

A page of another site reaches this port in two ways. It calls the port as it is, and the browser says which
origin the page has. Or its own name leads to this machine (DNS rebinding), and the browser takes the port for
a part of the page's site: then the `Host` header has the page's name.
"""

from urllib.parse import urlsplit

from aiohttp import web

from xapp.config.openai import OpenAiSettings
from xapp.errors import PermissionDenied, XappError
from xapp.hosts import bare, is_address, is_loopback

ANY = "*"
_MAX_AGE_S = "600"
_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": _MAX_AGE_S,
}
_EXPOSED = "Retry-After, X-Correlation-Id, X-Request-Id, X-Queue-Ms, X-Cached-Tokens, X-Seed"


class UnknownHost(XappError):
    """The `Host` header names no name of this node."""

    code = "PERMISSION_DENIED"
    default_reason = "UNKNOWN_HOST"


class Browsers:
    """The checks of the headers `Host` and `Origin`."""

    def __init__(self, settings: OpenAiSettings, host: str) -> None:
        self._hosts = {*_names(settings.hosts), host.lower()}
        self._origins = {each.rstrip("/") for each in _names(settings.origins)}

    def check(self, request: web.Request) -> None:
        """Raises UnknownHost, and PermissionDenied with reason UNKNOWN_ORIGIN."""
        # A client of HTTP/1.0 may send none. Browsers always do.
        host = _host_of(request.headers.get("Host", "localhost"))
        if not (ANY in self._hosts or host in self._hosts or is_address(host) or is_loopback(host)):
            raise UnknownHost(f"this node has no name {host[:128]!r}: XAPP_OPENAI_HOSTS has its names")
        origin = request.headers.get("Origin")
        if origin is not None and not (self._allows(origin) or _is_own(origin, request)):
            text = f"pages of {origin[:128]!r} may not call this node: XAPP_OPENAI_ORIGINS has those that may"
            raise PermissionDenied(text, reason="UNKNOWN_ORIGIN")

    def _allows(self, origin: str) -> bool:
        return ANY in self._origins or origin.lower() in self._origins

    def headers(self, request: web.Request) -> dict[str, str]:
        """The headers of a response that a page of an allowed origin may read."""
        origin = request.headers.get("Origin")
        if origin is None or not self._allows(origin):
            return {}
        found = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return found | {"Access-Control-Expose-Headers": _EXPOSED}

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser's question before a call; None for any other request."""
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        return web.Response(status=204, headers=_ALLOWED | self.headers(request))


def _names(text: str) -> set[str]:
    return {name.strip().lower() for name in text.split(",")} - {""}


def _host_of(host: str) -> str:
    """The name without its port."""
    name = host if host.endswith("]") or ":" not in host else host.rpartition(":")[0]
    return bare(name).lower().rstrip(".")


def _is_own(origin: str, request: web.Request) -> bool:
    """Whether the page is from this port itself."""
    try:
        return urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:
        return False
