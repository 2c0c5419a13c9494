"""Makes the copies of a model in other formats: their sizes first, then the files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from xapp.backend.optimize import jobs
from xapp.backend.optimize.process import ask
from xapp.errors import ModelError
from xapp.models.derived import Derived
from xapp.models.transfer import Progress, disk_full


def predict(copies: Sequence[Derived]) -> tuple[dict[str, int], dict[str, str]]:
    """Bytes by format, and what speaks against those that cannot be made. Raises ModelError if none can."""
    found, faults = {}, {}
    for copy in copies:
        job = jobs.Size(str(copy.source.path), copy.format.file_type)
        try:
            found[copy.format.name] = ask(job, jobs.Bytes).count
        except ModelError as error:
            faults[copy.format.name] = error.message
    if not found:
        raise ModelError(next(iter(faults.values())), reason="CANNOT_QUANTIZE")
    return found, faults


def make(copy: Derived, expected: int, threads: int, progress: Progress) -> int:
    """Writes the partial; returns its size. Raises ModelError, DISK_FULL among others; then it is gone."""
    job = jobs.Quantize(str(copy.source.path), copy.format.file_type, str(copy.partial), threads, copy.origin)
    what = f"writing {copy.format.name}"
    try:
        size = ask(job, jobs.Bytes, lambda: progress.update(what, _size(copy.partial), expected)).count
    except BaseException as error:
        written = _size(copy.partial)
        free = shutil.disk_usage(copy.partial.parent).free
        copy.partial.unlink(missing_ok=True)
        if isinstance(error, ModelError) and written and expected - written > free:
            raise disk_full(copy.partial.parent, expected, free + written, str(copy.path)) from error
        raise
    progress.update(what, size, size)
    return size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
