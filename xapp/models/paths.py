"""The folders of model files. Base dependencies only: the command line uses it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xapp.errors import ConfigError
from xapp.folders import default_models_dir
from xapp.settings_file import read_settings_file

MODELS_DIR_KEY = "XAPP_MODELS_DIR"


def cache_dir(environ: Mapping[str, str]) -> Path:
    """The program's folder in the user's cache. Honours XDG_CACHE_HOME."""
    base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "genai-xapp"


def models_dir(environ: Mapping[str, str]) -> Path:
    """The models folder: XAPP_MODELS_DIR, else the settings file's, else the default, as `serve` finds it.

    `~` is expanded, and empty means unset. Raises ConfigError.
    """
    chosen = environ.get(MODELS_DIR_KEY) or _in_file(environ)
    if chosen is None:
        chosen = default_models_dir()
    if not isinstance(chosen, str):
        raise ConfigError(MODELS_DIR_KEY, f"{chosen!r} in the settings file is no text")
    return Path(chosen).expanduser()


def _in_file(environ: Mapping[str, str]) -> Any:
    """`[node] models_dir`, or `models_dir` without a table."""
    content = read_settings_file(environ)
    node = content.get("node")
    in_table = node.get("models_dir") if isinstance(node, dict) else None
    return content.get("models_dir") if in_table is None else in_table
