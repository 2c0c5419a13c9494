"""Authentication: passes the credentials of a gRPC call to `Access`, and sets the call's Principal."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from xapp.edge import caller_text
from xapp.security import principal
from xapp.security.access import Access, Shown
from xapp.server.call import Call, Context, Guard, address_of

CLIENT_KEY = "x-client-id"
AUTHORIZATION_KEY = "authorization"
_NAMES_IN_CERTIFICATE = ("x509_common_name", "peer_uri", "peer_dns")
"""Metadata keys of the client's name. The first key that is present counts."""
_CERTIFICATE = "x509_pem_cert"


def authenticating(access: Access, open_services: Collection[str]) -> Guard:
    """A guard: sets the call's Principal, except for `open_services`, which are open to everybody.

    It raises Unauthenticated, and InvalidArgument with the metadata key.
    """

    async def authenticate(call: Call) -> None:
        if call.method.service not in open_services:
            principal.enter(access.identify(_shown(call.context, access)))

    return authenticate


def _shown(context: Context, access: Access) -> Shown:
    metadata = [(key, _text(value)) for key, value in context.invocation_metadata() or ()]
    return Shown(
        certificate=_name_in_certificate(context.auth_context()),
        authorization=[value for key, value in metadata if key == AUTHORIZATION_KEY],
        claim="" if access.required else _claim(metadata),
        peer=address_of(context.peer()),
    )


def _claim(metadata: Sequence[tuple[str, str]]) -> str:
    claims = (value for key, value in metadata if key == CLIENT_KEY)
    return next((caller_text.client_id(f"metadata.{CLIENT_KEY}", value) for value in claims), "")


def _name_in_certificate(shown: Mapping[str, Iterable[bytes]]) -> str | None:
    """The name in the client's certificate: None without a certificate, "" for a certificate without a
    name.
    """
    if _CERTIFICATE not in shown:
        return None
    names = (name for key in _NAMES_IN_CERTIFICATE for name in shown.get(key, ()))
    return next((text for text in map(_text, names) if text), "")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
