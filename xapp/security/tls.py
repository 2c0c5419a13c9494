"""The node's certificate and key, and the authorities for clients' certificates.

A new certificate is tried in a handshake with itself, so that a key that does not fit, or a file that is
half-written, is found before a client meets it.
"""

import logging
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xapp import logs
from xapp.errors import ConfigError
from xapp.toml_file import read_bytes

CERT_KEY, KEY_KEY, CLIENT_CA_KEY = "XAPP_TLS_CERT", "XAPP_TLS_KEY", "XAPP_TLS_CLIENT_CA"
_MAX_TURNS = 4
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME, which Python does not name. With it an expired certificate can be read."""
_ALPN = ["http/1.1"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of the files. Without `client_ca` clients need no certificate."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths."""
        return (self.cert, self.key) if self.client_ca is None else (self.cert, self.key, self.client_ca)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Contents as PEM. `fault`: the reason why clients refuse the certificate, or "". `not_after`: its end,
    seconds since 1970, or None if unknown.
    """

    cert: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None
    not_after: float | None = None
    fault: str = ""


def tls_files(cert: str, key: str, client_ca: str) -> TlsFiles | None:
    """From the settings; None for plain text. Raises ConfigError with the key that lacks its counterpart."""
    if not cert and not key:
        if client_ca:
            raise ConfigError(CLIENT_CA_KEY, f"needs {CERT_KEY} and {KEY_KEY}: without TLS nobody is asked")
        return None
    if not key:
        raise ConfigError(KEY_KEY, f"is not set, and {CERT_KEY} is")
    if not cert:
        raise ConfigError(CERT_KEY, f"is not set, and {KEY_KEY} is")
    return TlsFiles(Path(cert), Path(key), Path(client_ca) if client_ca else None)


def read_certificates(files: TlsFiles) -> Certificates:
    """Reads the files. Raises ConfigError with the key.

    An expired certificate is only logged: otherwise a node with a wrong clock would not start.
    """
    cert, key = read_bytes(CERT_KEY, files.cert), read_bytes(KEY_KEY, files.key)
    client_ca = None if files.client_ca is None else read_bytes(CLIENT_CA_KEY, files.client_ca)
    if client_ca is not None:
        _check_authorities(client_ca, files)
    not_after, fault = _try_with_itself(_server_context(cert, key, files), cert)
    _say_read(files.cert, not_after, fault)
    return Certificates(cert, key, client_ca, not_after, fault)


def _say_read(file: Path, not_after: float | None, fault: str) -> None:
    ends = "" if not_after is None else datetime.fromtimestamp(not_after, UTC).isoformat()
    fields: dict[str, object] = {"event": "certificate", "file": str(file), "not_after": ends}
    if fault:
        logs.event(_log, f"{file}: clients refuse it: {fault}", fields, level=logging.ERROR)
    else:
        logs.event(_log, "certificate read", fields)


def _check_authorities(client_ca: bytes, files: TlsFiles) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=client_ca.decode())
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(CLIENT_CA_KEY, f"{files.client_ca} has no certificates in PEM: {error}") from error


def server_context(certificates: Certificates) -> ssl.SSLContext:
    """For a server of the standard library. A client may show a certificate, but need not."""
    context = _load(certificates.cert, certificates.key)
    context.set_alpn_protocols(_ALPN)
    # A ticket would keep a client's first identity, whatever has changed since.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if certificates.client_ca is not None:
        context.load_verify_locations(cadata=certificates.client_ca.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _server_context(cert: bytes, key: bytes, files: TlsFiles) -> ssl.SSLContext:
    try:
        return _load(cert, key)
    except ssl.SSLError as error:
        reason = (error.reason or "").replace("_", " ").lower() or str(error)
        raise ConfigError(CERT_KEY, f"{files.cert} and {files.key} cannot be used: {reason}") from error
    except _Locked as error:
        raise ConfigError(KEY_KEY, f"{files.key} has a password; a key without one is needed") from error


class _Locked(Exception):
    """The key is encrypted."""


def _no_password() -> str:
    raise _Locked


def _load(cert: bytes, key: bytes) -> ssl.SSLContext:
    """Loads from the contents, as the standard library loads files only: the contents that were checked must
    be the contents that are used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _as_file(cert) as cert_path, _as_file(key) as key_path:
        context.load_cert_chain(cert_path, key_path, password=_no_password)
    return context


@contextmanager
def _as_file(body: bytes) -> Iterator[str]:
    """A file in memory: no key is written to a disk."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, body)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _try_with_itself(server: ssl.SSLContext, cert: bytes) -> tuple[float | None, str]:
    """The end of the certificate, and the reason why a client that trusts it would refuse it."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    client.load_verify_locations(cadata=cert.decode("ascii", "replace"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(_MAX_TURNS):
            for end in (asking, answering):
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
    except ssl.SSLError as error:
        return None, getattr(error, "verify_message", "") or str(error)
    shown: dict[str, Any] = asking.getpeercert() or {}
    begins, ends = (ssl.cert_time_to_seconds(shown[key]) for key in ("notBefore", "notAfter"))
    return ends, _fault_of_time(begins, ends, time.time())


def _fault_of_time(begins: float, ends: float, now: float) -> str:
    if now > ends:
        return "it has expired"
    return "it is not valid yet" if now < begins else ""
