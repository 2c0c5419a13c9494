"""The node's certificate for gRPC: new connections use a new certificate, open connections stay."""

from typing import Any

import grpc

from xapp.security.reload import Reloaded
from xapp.security.tls import Certificates


class _Latest:
    """gRPC calls this before each handshake, in a thread of its own: a change, or None for no change."""

    def __init__(self, certificates: Reloaded[Certificates], given: Certificates) -> None:
        self._certificates = certificates
        self._present = given

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        value = self._certificates.value
        if value is self._present:
            return None
        self._present = value
        return _configuration(value)


def server_credentials(certificates: Reloaded[Certificates]) -> grpc.ServerCredentials:
    """Credentials for one port of one server: gRPC asks only once for the first certificate.

    With a client CA, only clients with a certificate from it can connect.
    """
    first = certificates.value
    # gRPC's types do not allow None as an answer; its documentation does.
    latest: Any = _Latest(certificates, first)
    return grpc.dynamic_ssl_server_credentials(
        _configuration(first), latest, require_client_authentication=first.client_ca is not None
    )


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.cert)], root_certificates=certificates.client_ca
    )
