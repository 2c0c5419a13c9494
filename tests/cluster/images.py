"""The images that the node gets, as archives: it reaches no registry."""

import os
from pathlib import Path

from tests.cluster.node import PAUSE
from tests.cluster.programs import user_cache
from tests.image.build import build, build_image


def image_archive() -> Path:
    """The image of this tree, built as `make image` builds it. Raises ImageError."""
    if given := os.environ.get("IMAGE_ARCHIVE"):
        return Path(given)
    archive = _folder() / "genai-xapp.tar"
    build_image(archive)
    return archive


def pause_archive(programs: Path) -> Path:
    """The image that holds a pod's namespaces: one program."""
    archive = _folder() / "pause.tar"
    if not archive.exists():
        recipe = 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n'
        command = ["podman", "build", "--isolation", "chroot", "--tag", PAUSE, "--file", "-", str(programs)]
        build(command, {}, recipe)
        build(["podman", "save", "--output", str(archive), PAUSE], {})
    return archive


def _folder() -> Path:
    folder = user_cache() / "genai-xapp" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
