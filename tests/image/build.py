"""Builds the image of this tree for the tests, as `make image` does."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/genai-xapp:0.1.0"


class ImageError(Exception):
    """An image cannot be built; the message has the end of what the builder said."""


def build_image(archive: Path | None = None) -> None:
    """Builds IMAGE on Debian's packages, and writes it to `archive`. Raises ImageError."""
    # The CPU's own build of llama.cpp is in the cache after `make setup`; a portable one takes minutes more.
    settings = {"BASE": "debian", "BASELINE": "native", "IMAGE": IMAGE, "ARCHIVE": str(archive or "")}
    build([str(ROOT / "docker" / "build")], settings)


def build(command: list[str], settings: dict[str, str], text: str = "") -> None:
    """Runs a builder that reads the text. Raises ImageError."""
    done = subprocess.run(
        command, env={**os.environ, **settings}, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ImageError(
            f"{' '.join(command[:2])} ended with {done.returncode}: {done.stderr.strip()[-3000:]}"
        )
