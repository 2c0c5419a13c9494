"""Where model files live. Base dependencies only: the command line and xapp.config share it."""

from collections.abc import Mapping
from pathlib import Path

MODELS_DIR_KEY = "XAPP_MODELS_DIR"


def cache_dir(environ: Mapping[str, str]) -> Path:
    """The program's folder in the user's cache; honours XDG_CACHE_HOME."""
    base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "genai-xapp"


def default_models_dir() -> str:
    """Where model files live when nothing is set."""
    return str(Path.home() / ".cache" / "genai-xapp" / "models")


def models_dir(environ: Mapping[str, str]) -> Path:
    """XAPP_MODELS_DIR, `~` expanded; unset or empty means the default."""
    return Path(environ.get(MODELS_DIR_KEY) or default_models_dir()).expanduser()
