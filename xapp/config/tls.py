"""`[tls]`: the node's certificate, and whether callers need a certificate."""

import msgspec


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of PEM files; "" is none. `http`: whether the HTTP port has TLS where gRPC has it."""

    cert: str = ""
    key: str = ""
    client_ca: str = ""
    http: bool = True
