"""The small files that settings name, TOML mostly: bounded, and each fault names the setting's key."""

import tomllib
from pathlib import Path
from typing import Any

from xapp.errors import ConfigError
from xapp.text_file import decode_text

MAX_FILE_BYTES = 1024 * 1024


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
        return tomllib.loads(decode_text(read_bytes(key, path)))
    except UnicodeDecodeError as error:
        raise ConfigError(key, f"{path} is not TOML: it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(key, f"{path} is not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(key, f"{path} nests too deep") from error
