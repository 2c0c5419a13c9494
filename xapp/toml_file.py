"""The small files that settings name, TOML mostly: bounded, and each fault names the setting's key."""

import re
import tomllib
from pathlib import Path
from typing import Any

from xapp.errors import ConfigError
from xapp.text_file import decode_text

MAX_FILE_BYTES = 1024 * 1024
MAX_KEY_PARTS = 32
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"""(?<![A-Za-z0-9_\-\\"']){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_KEY_PARTS}}}""")
"""The standard library's reader takes memory that grows with the square of a key's parts."""


def read_bytes(key: str, path: Path) -> bytes:
    """The whole file. Raises ConfigError naming the setting's key."""
    try:
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(key, f"cannot read {path}: {error.strerror}") from error
    if len(body) > MAX_FILE_BYTES:
        raise ConfigError(key, f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return body


def read_toml(key: str, path: Path) -> dict[str, Any]:
    """Its tables. Raises ConfigError naming the setting's key."""
    try:
        return _loads(decode_text(read_bytes(key, path)))
    except UnicodeDecodeError as error:
        raise ConfigError(key, f"{path} is not TOML: it is not UTF-8") from error
    except ValueError as error:
        # Of the reader, or of Python for a number of thousands of digits.
        raise ConfigError(key, f"{path} is not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(key, f"{path} nests too deep") from error


def _loads(text: str) -> dict[str, Any]:
    if (found := _LONG_KEY.search(text)) is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"a name of more than {MAX_KEY_PARTS} parts (at line {line})")
    return tomllib.loads(text)
