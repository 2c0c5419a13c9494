"""The node's certificate for HTTP. A new certificate counts from the next connection on."""

import ssl
from typing import Any

from xapp.security.reload import Reloaded
from xapp.security.tls import Certificates, server_context


def latest_context(certificates: Reloaded[Certificates]) -> ssl.SSLContext:
    """A context that uses the latest certificate at each handshake."""
    contexts = _Contexts(certificates)
    context = server_context(certificates.value)
    # OpenSSL calls this even if the client names no server.
    context.sni_callback = contexts.take
    return context


class _Contexts:
    def __init__(self, certificates: Reloaded[Certificates]) -> None:
        self._certificates = certificates
        self._read = certificates.value
        self._context = server_context(self._read)

    def take(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        if self._certificates.value is not self._read:
            self._read = self._certificates.value
            self._context = server_context(self._read)
        connection.context = self._context
