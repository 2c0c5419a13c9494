"""Makes copies of a model in other formats: first their sizes, then the files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from xapp.backend.optimize import jobs
from xapp.backend.optimize.process import ask
from xapp.errors import ModelError
from xapp.models.derived import Derived
from xapp.models.transfer import Progress, disk_full


def predict(copies: Sequence[Derived]) -> tuple[dict[str, int], dict[str, str]]:
    """Bytes by format, and the reasons against impossible formats. Raises ModelError if none is possible."""
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
    """Writes the partial file and returns its size.

    On ModelError, for instance DISK_FULL, the file is removed.
    """
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
