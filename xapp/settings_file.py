"""The TOML file of settings, as it is written. Base dependencies only: the commands read it too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xapp.toml_file import read_toml

FILE_KEY = "XAPP_CONFIG_FILE"


def read_settings_file(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the file that XAPP_CONFIG_FILE names has in it; nothing where it names none.

    Raises ConfigError.
    """
    path = environ.get(FILE_KEY)
    if not path:
        return {}
    return read_toml(FILE_KEY, Path(path))
