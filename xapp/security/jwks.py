"""The public keys of a token issuer: a JSON Web Key Set, from a file or an answer over HTTPS.

Only public signature keys are taken, so a secret can never be taken for a key. Left out: `oct`, keys with a
private part, keys that encrypt, and RSA keys that are too short.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from xapp.errors import ConfigError
from xapp.toml_file import read_bytes

JWKS_KEY = "XAPP_JWKS"
MAX_KEYS = 64
MIN_RSA_BITS = 2048
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA", "Ed25519")}
"""The algorithms of each kind of key. The token's own header counts only within them. No HMAC, and never
`none`.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """`public` is for the library. `algorithms` are those that its signatures may have."""

    public: Any
    algorithms: tuple[str, ...]


class Keys:
    """An issuer's keys by id. A set of one key needs no id."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = dict(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, key_id: str | None) -> Key | None:
        """The key with that id. `key_id` None: the only key, if there is one key."""
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)


NO_KEYS = Keys({})


def read_keys(path: Path) -> Keys:
    """Raises ConfigError with the file."""
    return parse_keys(read_bytes(JWKS_KEY, path), str(path))


def parse_keys(body: bytes, source: str) -> Keys:
    """Raises ConfigError with the `source` when the body is no key set, or has no usable key."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError(JWKS_KEY, f"{source} is no JSON: {type(error).__name__}") from error
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ConfigError(JWKS_KEY, f"{source} is no key set: it has no list `keys`")
    if len(listed) > MAX_KEYS:
        raise ConfigError(JWKS_KEY, f"{source} has {len(listed)} keys, at most {MAX_KEYS} are taken")
    keys = {str(each.get("kid", "")): key for each in listed if (key := _key(each)) is not None}
    if not keys:
        raise ConfigError(JWKS_KEY, f"{source} has no public RSA, EC or Ed25519 key for signatures")
    return Keys(keys)


def _key(entry: object) -> Key | None:
    """None when the entry is no public signature key."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    allowed = _algorithms(entry)
    if not allowed:
        return None
    try:
        public = jwt.PyJWK(entry, allowed[0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    too_short = entry["kty"] == "RSA" and public.key_size < MIN_RSA_BITS
    return None if too_short else Key(public, allowed)


def _algorithms(entry: Mapping[str, Any]) -> tuple[str, ...]:
    kind, curve = entry.get("kty"), entry.get("crv")
    by_key: tuple[str, ...] = _RSA if kind == "RSA" else ()
    if kind in ("EC", "OKP") and isinstance(curve, str):
        by_key = _CURVES.get(curve, ())
    named = entry.get("alg")
    return by_key if named is None else tuple(each for each in by_key if each == named)
