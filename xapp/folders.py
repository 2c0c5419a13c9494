"""Folders of this program in the user's home. It has base dependencies only: settings and commands share
it.
"""

from pathlib import Path


def default_models_dir() -> str:
    """The folder of model files when no setting names another."""
    return str(Path.home() / ".cache" / "genai-xapp" / "models")
