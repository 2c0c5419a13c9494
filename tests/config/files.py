"""Settings files, and what they are refused with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from xapp.config import load_settings
from xapp.errors import ConfigError


def settings_file(folder: Path, text: str | bytes) -> dict[str, str]:
    """The environment that names a file with this content."""
    path = folder / "settings.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return {"XAPP_CONFIG_FILE": str(path)}


def refused(environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ, overrides)
    return caught.value
