"""Guards the HTTP port."""

import math

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xapp.edge.http_caller import outcome_of, path_of, shown
from xapp.errors import PermissionDenied, Unauthenticated, Unavailable, XappError
from xapp.security import principal
from xapp.security.access import HEALTH, METRICS, Access
from xapp.security.attempts import TooManyAttempts
from xapp.security.audit import audited
from xapp.security.refusals import NOT_LET_IN, Refusals

_HEALTH_PATHS = ("/ric/v1/health/alive", "/ric/v1/health/ready")
_METRICS_PATHS = ("/metrics", "/ric/v1/metrics", "/ric/v1/config")
_METRICS_METHOD = "Metrics"
_STATUSES: dict[type[XappError], int] = {
    Unauthenticated: 401,
    PermissionDenied: 403,
    TooManyAttempts: 429,
    Unavailable: 503,
}


def guarding(access: Access, refusals: Refusals) -> Middleware:
    """A middleware. It answers refused requests with the status and the reason of the error."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check(access, request)
        except NOT_LET_IN as error:
            refusals.log(path_of(request), request.remote or "", error)
            return _refusal(error)
        with audited(path_of(request), request.remote or "", outcome_of=outcome_of):
            return await handler(request)

    return guard


def _check(access: Access, request: web.Request) -> None:
    path = path_of(request)
    if path in _HEALTH_PATHS and access.is_open(HEALTH):
        return
    if path in _METRICS_PATHS and access.is_open(METRICS):
        return
    who = access.identify(shown(request))
    principal.enter(who)
    if path in _METRICS_PATHS:
        access.policy.check_method(who, _METRICS_METHOD, for_admins=False)
    elif path not in _HEALTH_PATHS:
        access.policy.check_method(who, path, for_admins=True)


def _refusal(error: XappError) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    body = {"error": error.message, "reason": error.reason}
    status = next(status for kind, status in _STATUSES.items() if isinstance(error, kind))
    return web.json_response(body, status=status, headers=headers)
