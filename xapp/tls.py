"""TLS for clients of a node: whom to trust, and what to show. Needs the base package only."""

from pathlib import Path

import grpc


def credentials(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials:
    """For `Client(credentials=…)`. `ca` has the authorities that the node's certificate may come from.

    Without it those that gRPC brings are trusted. `cert` and `key` are the client's own, for a node with
    mutual TLS. All are PEM files. Raises OSError, and ValueError where one of the two is missing.
    """
    if (cert is None) != (key is None):
        raise ValueError("a client certificate needs its key, and a key its certificate")
    return grpc.ssl_channel_credentials(_read(ca), _read(key), _read(cert))


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
