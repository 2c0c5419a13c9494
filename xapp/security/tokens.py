"""Bearer tokens and their owners. Only hashes of tokens are kept, in the file and here.

XAPP_TOKENS_FILE is TOML, a list of hashes for each principal, several while a token is renewed:

    cell-planner = ["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
"""

import hashlib
import hmac
import re
import secrets
from pathlib import Path
from typing import Any

from xapp.errors import ConfigError
from xapp.toml_file import read_toml

TOKENS_KEY = "XAPP_TOKENS_FILE"
MAX_NAME_CHARS = 128
MAX_TOKENS = 10_000
PREFIX = "sha256:"
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_TOKEN_BYTES = 32


def new_token() -> str:
    """A random token of 256 bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_of(token: str) -> str:
    """The hash as in the file. A plain hash is enough, since tokens are random and long."""
    return PREFIX + hashlib.sha256(token.encode(errors="replace")).hexdigest()


class Tokens:
    """Finds the principal of a token. The time that it takes tells nothing of the known tokens."""

    def __init__(self, hashes: dict[str, str]) -> None:
        """`principals` by the hash of their token."""
        # The lookup uses a hash under a key of this process. So its time tells nothing of a
        # token to a caller, who does not know the key.
        self._key = secrets.token_bytes(_TOKEN_BYTES)
        self._names = {self._sealed(hash_text): name for hash_text, name in hashes.items()}

    def __len__(self) -> int:
        return len(self._names)

    def find(self, token: str) -> str | None:
        """The principal's name; None for an unknown token."""
        return self._names.get(self._sealed(hash_of(token)))

    def _sealed(self, hash_text: str) -> bytes:
        return hmac.digest(self._key, hash_text.encode(), "sha256")


def read_tokens(path: Path) -> Tokens:
    """Raises ConfigError with the place. The message shows no hash, which might be a token by mistake."""
    return Tokens(_hashes(read_toml(TOKENS_KEY, path), path))


def _hashes(table: dict[str, Any], path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, hashes in table.items():
        check_name(TOKENS_KEY, path, name)
        if not isinstance(hashes, list):
            raise ConfigError(TOKENS_KEY, f"{path}: {name} is no list of hashes")
        for number, text in enumerate(hashes, 1):
            if not isinstance(text, str) or not _HASH.fullmatch(text):
                message = f"{path}: hash {number} of {name} is not {PREFIX} and 64 hexadecimal digits"
                raise ConfigError(TOKENS_KEY, message)
            if found.setdefault(text, name) != name:
                message = f"{path}: hash {number} of {name} is also one of {found[text]}"
                raise ConfigError(TOKENS_KEY, message)
    if len(found) > MAX_TOKENS:
        raise ConfigError(TOKENS_KEY, f"{path} has {len(found)} hashes, at most {MAX_TOKENS} are taken")
    return found


def is_name(text: str) -> bool:
    """Whether a principal may have this name."""
    return 0 < len(text) <= MAX_NAME_CHARS and text.isascii() and text.isprintable()


def check_name(key: str, path: Path, name: str) -> None:
    """Raises ConfigError for a text that cannot be a principal's name."""
    if not is_name(name):
        most = f"1 to {MAX_NAME_CHARS} printable ASCII characters"
        raise ConfigError(key, f"{path}: a name has {most}, {name[:64]!r} has not")
