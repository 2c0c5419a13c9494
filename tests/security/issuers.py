"""An issuer of signed tokens for tests: its keys, and what it signs."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://issuer.example", "genai-xapp"
PRIVATE: dict[str, Any] = {
    "ec": ec.generate_private_key(ec.SECP256R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(65537, 2048),
}
ALGORITHMS = {"ec": "ES256", "ed": "EdDSA", "rsa": "RS256"}
_SHAPES: dict[str, Any] = {"ec": ECAlgorithm, "ed": OKPAlgorithm, "rsa": RSAAlgorithm}


def public(name: str, **fields: Any) -> dict[str, Any]:
    """A key as the set has it."""
    found: dict[str, Any] = json.loads(_SHAPES[name].to_jwk(PRIVATE[name].public_key()))
    found.pop("key_ops", None)
    return {**found, "kid": name, **fields}


def key_set(*keys: dict[str, Any]) -> bytes:
    """All keys, or these."""
    return json.dumps({"keys": list(keys) or [public(name) for name in PRIVATE]}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Of a good token; what is changed to None is left out."""
    now = time.time()
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "planner", "exp": now + 60, "nbf": now, "groups": ["ran"]}
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(name: str = "ec", kid: str | None = None, algorithm: str = "", **changes: Any) -> str:
    """A token."""
    headers = {"kid": kid or name}
    return jwt.encode(claims(**changes), PRIVATE[name], algorithm or ALGORITHMS[name], headers)


def raw(header: object, body: object, signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = (json.dumps(header).encode(), json.dumps(body).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
