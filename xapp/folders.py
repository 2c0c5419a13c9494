"""Folders of this program in the user's home. Base dependencies only: settings and commands share it."""

from pathlib import Path


def default_models_dir() -> str:
    """Where model files live when nothing is set."""
    return str(Path.home() / ".cache" / "genai-xapp" / "models")
