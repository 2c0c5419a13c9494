"""Where model files live. Base dependencies only: the command line uses it."""

from collections.abc import Mapping
from pathlib import Path

from xapp.folders import default_models_dir

MODELS_DIR_KEY = "XAPP_MODELS_DIR"


def cache_dir(environ: Mapping[str, str]) -> Path:
    """The program's folder in the user's cache; honours XDG_CACHE_HOME."""
    base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "genai-xapp"


def models_dir(environ: Mapping[str, str]) -> Path:
    """XAPP_MODELS_DIR, `~` expanded; unset or empty means the default."""
    return Path(environ.get(MODELS_DIR_KEY) or default_models_dir()).expanduser()
