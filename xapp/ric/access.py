"""Who may ask the HTTP port for what."""

import math
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xapp.errors import PermissionDenied, Unauthenticated, Unavailable, XappError
from xapp.security import principal
from xapp.security.access import HEALTH, METRICS, Access, Shown
from xapp.security.attempts import TooManyAttempts
from xapp.security.audit import audited
from xapp.security.refusals import NOT_LET_IN, Refusals

_HEALTH_PATHS = ("/ric/v1/health/alive", "/ric/v1/health/ready")
_METRICS_PATHS = ("/metrics", "/ric/v1/metrics", "/ric/v1/config")
_METRICS_METHOD = "Metrics"
_NAMES = ("commonName",)
_STATUSES: dict[type[XappError], int] = {
    Unauthenticated: 401,
    PermissionDenied: 403,
    TooManyAttempts: 429,
    Unavailable: 503,
}
_ALTERNATIVE_NAMES = ("URI", "DNS")


def guarding(access: Access, refusals: Refusals) -> Middleware:
    """A middleware: 401 and 403 for those who may not, with the error's reason."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check(access, request)
        except (*NOT_LET_IN, Unavailable) as error:
            refusals.log(request.path, request.remote or "", error)
            return _refusal(error)
        with audited(request.path, request.remote or "", dict):
            return await handler(request)

    return guard


def _check(access: Access, request: web.Request) -> None:
    path = request.path
    if path in _HEALTH_PATHS and access.is_open(HEALTH):
        return
    if path in _METRICS_PATHS and access.is_open(METRICS):
        return
    who = access.identify(_shown(request))
    principal.enter(who)
    if path in _METRICS_PATHS:
        access.policy.check_method(who, _METRICS_METHOD, for_admins=False)
    elif path not in _HEALTH_PATHS:
        access.policy.check_method(who, path, for_admins=True)


def _shown(request: web.Request) -> Shown:
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport else None
    return Shown(
        certificate=_name_in(certificate) if certificate else None,
        peer=request.remote or "",
        authorization=request.headers.getall("Authorization", ()),
    )


def _name_in(certificate: dict[str, Any]) -> str:
    """As in `xapp.server.authentication`: the common name, else an alternative name; "" without either."""
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    others = certificate.get("subjectAltName", ())
    names = [name for key in _NAMES for kind, name in subject if kind == key]
    names += [name for key in _ALTERNATIVE_NAMES for kind, name in others if kind == key]
    return next((name for name in names if name), "")


def _refusal(error: XappError) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    body = {"error": error.message, "reason": error.reason}
    return web.json_response(body, status=_STATUSES[type(error)], headers=headers)
