"""Certificates for tests, made with the openssl command."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
LOCAL = "DNS:localhost,IP:127.0.0.1"


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates in a folder of its own."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
        openssl("req", "-x509", *_KEY, "-subj", f"/CN={name}", "-keyout", self._pair.key, "-out", self.cert)

    @property
    def cert(self) -> Path:
        """What those who trust it know of it."""
        return self._pair.cert

    def sign_for(self, name: str, begins: datetime, ends: datetime) -> Pair:
        """A certificate with the common name `name` that is valid in that time only."""
        pair = self.sign(name)
        signed = x509.load_pem_x509_certificate(pair.cert.read_bytes())
        key = serialization.load_pem_private_key(self._pair.key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        builder = x509.CertificateBuilder(signed.issuer, signed.subject, signed.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(begins).not_valid_after(ends)
        for extension in signed.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        made = builder.sign(key, hashes.SHA256())
        pair.cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return pair

    def outdated(self, name: str) -> Pair:
        """A certificate that ended yesterday."""
        now = datetime.now(UTC)
        return self.sign_for(name, now - timedelta(days=9), now - timedelta(days=1))

    def of_tomorrow(self, name: str) -> Pair:
        """A certificate that is not valid yet."""
        now = datetime.now(UTC)
        return self.sign_for(name, now + timedelta(days=1), now + timedelta(days=9))

    def sign(self, name: str, names: str = LOCAL, *, subject: str | None = None, days: int = 30) -> Pair:
        """A certificate with the common name `name`, for the alternative names."""
        pair, ask = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key"), self._folder / "ask.csr"
        extensions = self._folder / "extensions"
        extensions.write_text(f"subjectAltName={names}")
        subject = f"/CN={name}" if subject is None else subject
        openssl("req", *_KEY, "-subj", subject, "-keyout", pair.key, "-out", ask)
        signer = ("-CA", self.cert, "-CAkey", self._pair.key, "-CAcreateserial", "-days", str(days))
        openssl("x509", "-req", "-in", ask, *signer, "-extfile", extensions, "-out", pair.cert)
        return pair
