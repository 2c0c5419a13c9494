"""The images that the node gets, as archives: it reaches no registry."""

import os
import subprocess
from pathlib import Path

from tests.cluster.node import PAUSE
from tests.cluster.programs import ProgramError, user_cache

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/genai-xapp:0.1.0"


def image_archive() -> Path:
    """The image of this tree, built as `make image` builds it. Raises ProgramError."""
    if given := os.environ.get("IMAGE_ARCHIVE"):
        return Path(given)
    archive = _folder() / "genai-xapp.tar"
    # The CPU's own build of llama.cpp is in the cache after `make setup`; a portable one takes minutes more.
    settings = {"BASE": "debian", "BASELINE": "native", "IMAGE": IMAGE, "ARCHIVE": str(archive)}
    _run([str(ROOT / "docker" / "build")], settings)
    return archive


def pause_archive(programs: Path) -> Path:
    """The image that holds a pod's namespaces: one program."""
    archive = _folder() / "pause.tar"
    if not archive.exists():
        recipe = 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n'
        build = ["podman", "build", "--isolation", "chroot", "--tag", PAUSE, "--file", "-", str(programs)]
        _run(build, {}, recipe)
        _run(["podman", "save", "--output", str(archive), PAUSE], {})
    return archive


def _folder() -> Path:
    folder = user_cache() / "genai-xapp" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(command: list[str], settings: dict[str, str], text: str = "") -> None:
    done = subprocess.run(
        command, env={**os.environ, **settings}, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ProgramError(
            f"{' '.join(command[:2])} ended with {done.returncode}: {done.stderr.strip()[-3000:]}"
        )
