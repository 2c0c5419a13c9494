"""The TOML file of settings, as it is written. Base dependencies only: the commands read it too."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xapp.errors import ConfigError
from xapp.text_file import read_text

FILE_KEY = "XAPP_CONFIG_FILE"


def read_settings_file(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the file that XAPP_CONFIG_FILE names has in it; nothing where it names none.

    Raises ConfigError.
    """
    path = environ.get(FILE_KEY)
    if not path:
        return {}
    try:
        return tomllib.loads(read_text(Path(path)))
    except OSError as error:
        raise ConfigError(FILE_KEY, f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(FILE_KEY, f"{path} is not TOML: {error}") from error
