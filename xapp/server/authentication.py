"""Who calls: the name in a client certificate, else what the caller says in the metadata."""

from collections.abc import Collection

from xapp.errors import InvalidArgument
from xapp.security import principal
from xapp.security.principal import ANONYMOUS, Principal
from xapp.server.call import Call, Context, Guard

CLIENT_KEY = "x-client-id"
MAX_CLIENT_ID = 128
_NAME = "x509_common_name"


def authenticating(open_services: Collection[str]) -> Guard:
    """A guard: sets the call's Principal, but for `open_services`, which anybody may call.

    It raises InvalidArgument naming the metadata key.
    """

    async def authenticate(call: Call) -> None:
        if call.method.service not in open_services:
            principal.current.set(_principal(call.context))

    return authenticate


def _principal(context: Context) -> Principal:
    """A certificate has been verified, metadata has not.

    So quotas bind who is honest, or comes through a proxy that sets the key.
    """
    for name in context.auth_context().get(_NAME, ()):
        return Principal(_text(name)[:MAX_CLIENT_ID], proved=True)
    for key, value in context.invocation_metadata() or ():
        if key == CLIENT_KEY:
            return Principal(_checked(_text(value)))
    return ANONYMOUS


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _checked(text: str) -> str:
    if len(text) > MAX_CLIENT_ID or not (text.isascii() and text.isprintable()):
        message = f"must be at most {MAX_CLIENT_ID} printable ASCII characters"
        raise InvalidArgument(f"metadata.{CLIENT_KEY}", message)
    return text
