"""The node's certificate for gRPC: a new one counts from the next connection on, open ones stay."""

from typing import Any

import grpc

from xapp.security.reload import Reloaded
from xapp.security.tls import Certificates


class _Latest:
    """What gRPC asks before each handshake, in a thread of its own: a change, or None where there is none."""

    def __init__(self, certificates: Reloaded[Certificates], given: Certificates) -> None:
        self._certificates = certificates
        self._given = given

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        value = self._certificates.value
        if value is self._given:
            return None
        self._given = value
        return _configuration(value)


def server_credentials(certificates: Reloaded[Certificates]) -> grpc.ServerCredentials:
    """Credentials of one port of one server: gRPC asks only once for what they begin with.

    With a client CA nobody gets in without a certificate from it.
    """
    first = certificates.value
    # gRPC's types do not know that None is an answer; its documentation does.
    latest: Any = _Latest(certificates, first)
    return grpc.dynamic_ssl_server_credentials(
        _configuration(first), latest, require_client_authentication=first.client_ca is not None
    )


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.cert)], root_certificates=certificates.client_ca
    )
