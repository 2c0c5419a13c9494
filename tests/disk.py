"""A disk that is really full soon."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk_of(size: str, folder: Path) -> Iterator[Path]:
    """A disk of `size` (as tmpfs takes it, for instance 128k) mounted at `folder`, which is made.

    Skips the test where nothing may be mounted.
    """
    mount, umount = shutil.which("mount"), shutil.which("umount")
    folder.mkdir()
    command = [mount or "", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not mount or not umount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        yield folder
    finally:
        subprocess.run([umount, str(folder)], check=True)
