"""Who calls: the name in a client certificate, else what the caller says in the metadata."""

from typing import Any

import grpc

from xapp.errors import InvalidArgument

CLIENT_KEY = "x-client-id"
MAX_CLIENT_ID = 128
_NAME = "x509_common_name"


def client_of(context: "grpc.aio.ServicerContext[Any, Any]") -> str:
    """The client's identity; "" where it has none. Raises InvalidArgument naming the metadata key.

    A certificate has been verified, metadata has not: quotas bind who is honest, or comes through a
    proxy that sets the key.
    """
    for name in context.auth_context().get(_NAME, ()):
        return _text(name)[:MAX_CLIENT_ID]
    for key, value in context.invocation_metadata() or ():
        if key == CLIENT_KEY:
            return _checked(_text(value))
    return ""


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _checked(text: str) -> str:
    if len(text) > MAX_CLIENT_ID or not (text.isascii() and text.isprintable()):
        message = f"must be at most {MAX_CLIENT_ID} printable ASCII characters"
        raise InvalidArgument(f"metadata.{CLIENT_KEY}", message)
    return text
