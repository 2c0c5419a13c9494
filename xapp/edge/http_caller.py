"""Who asks over HTTP for what: as `xapp.security` takes it, and as the log may have it."""

from typing import Any

from aiohttp import web

from xapp.security.access import Shown
from xapp.security.audit import INTERNAL

_NAMES = ("commonName",)
_ALTERNATIVE_NAMES = ("URI", "DNS")


def shown(request: web.Request, claim: str = "") -> Shown:
    """`claim` is what the caller calls itself."""
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport else None
    return Shown(
        certificate=_name_in(certificate) if certificate else None,
        peer=request.remote or "",
        authorization=request.headers.getall("Authorization", ()),
        claim=claim,
    )


def path_of(request: web.Request) -> str:
    """The path as the table of routes has it; "" for an unknown path. A path of the caller's own may have a
    key in it, so the log never has one.
    """
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def outcome_of(error: BaseException) -> str:
    """The outcome of a call in the audit log: an unknown path is no defect of the node."""
    if isinstance(error, web.HTTPException):
        return error.reason.lower().replace(" ", "_")
    return INTERNAL


def _name_in(certificate: dict[str, Any]) -> str:
    """As in `xapp.server.authentication`: the common name, else an alternative name; "" without either."""
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    others = certificate.get("subjectAltName", ())
    names = [name for key in _NAMES for kind, name in subject if kind == key]
    names += [name for key in _ALTERNATIVE_NAMES for kind, name in others if kind == key]
    return next((name for name in names if name), "")
