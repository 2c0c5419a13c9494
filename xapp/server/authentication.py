"""Who calls: what a gRPC call shows of its caller, for `Access` to judge."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from xapp.errors import InvalidArgument
from xapp.security import principal
from xapp.security.access import Access, Shown
from xapp.server.call import Call, Context, Guard, address_of

CLIENT_KEY = "x-client-id"
AUTHORIZATION_KEY = "authorization"
MAX_CLIENT_ID = 128
_NAMES_IN_CERTIFICATE = ("x509_common_name", "peer_uri", "peer_dns")
"""The first that there is names the caller."""
_CERTIFICATE = "x509_pem_cert"


def authenticating(access: Access, open_services: Collection[str]) -> Guard:
    """A guard: sets the call's Principal, but for `open_services`, which anybody may call.

    It raises Unauthenticated, and InvalidArgument naming the metadata key.
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
    return next((_checked(value) for key, value in metadata if key == CLIENT_KEY), "")


def _name_in_certificate(shown: Mapping[str, Iterable[bytes]]) -> str | None:
    """None without a certificate, "" for one that names nobody."""
    if _CERTIFICATE not in shown:
        return None
    names = (name for key in _NAMES_IN_CERTIFICATE for name in shown.get(key, ()))
    return next((text for text in map(_text, names) if text), "")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _checked(text: str) -> str:
    if len(text) > MAX_CLIENT_ID or not (text.isascii() and text.isprintable()):
        message = f"must be at most {MAX_CLIENT_ID} printable ASCII characters"
        raise InvalidArgument(f"metadata.{CLIENT_KEY}", message)
    return text
