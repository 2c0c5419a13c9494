"""Who asks over HTTP: the credentials of a request, as `xapp.security` takes them."""

from typing import Any

from aiohttp import web

from xapp.security.access import Shown

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


def _name_in(certificate: dict[str, Any]) -> str:
    """As in `xapp.server.authentication`: the common name, else an alternative name; "" without either."""
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    others = certificate.get("subjectAltName", ())
    names = [name for key in _NAMES for kind, name in subject if kind == key]
    names += [name for key in _ALTERNATIVE_NAMES for kind, name in others if kind == key]
    return next((name for name in names if name), "")
