"""Brings a GGUF file of this machine into the models folder: checked and recorded, without a network."""

import errno
import os
import shutil
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.catalogue import Entry, catalogue, entries_by_file
from xapp.models.digest import PREFIX, hash_file
from xapp.models.info import read_gguf
from xapp.models.landing import Pulled, Target, Wanted, keep, land, whole_of
from xapp.models.parts import SUFFIX, all_parts, check_parts, model_name
from xapp.models.transfer import NoProgress, Progress, check_room, one_at_a_time, raise_for_disk

FILE_PREFIX = "file:"


def bring(source: Path, models_dir: Path, *, link: bool = False, progress: Progress | None = None) -> Pulled:
    """Copies a model with all its parts, or gives its files a second name in the folder (`link`: on the same
    disk only).

    A file whose sha256 is in the catalogue gets the catalogue's name. Raises ModelError.
    """
    progress = progress or NoProgress()
    if not source.is_file() or source.suffix != SUFFIX:
        raise ModelError(
            f"{source} is not a {SUFFIX} file", reason="NOT_GGUF", metadata={"file": str(source)}
        )
    check_parts(source)
    first, *others = all_parts(source)
    # The first part comes last: the model has its name, so an incomplete model is not seen in the folder.
    landed = [_bring_part(part, models_dir, progress, link=link) for part in (*others, first)]
    *others_landed, whole = landed
    return whole_of(whole, others_landed)


def _bring_part(source: Path, models_dir: Path, progress: Progress, *, link: bool) -> Pulled:
    read_gguf(source)
    size = source.stat().st_size
    digest = hash_file(source, lambda done: progress.update("reading", done, size))
    target, wanted = _target(source, models_dir, digest, size)
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(target.path, progress):
            if target.path.exists():
                return keep(target, wanted, progress)
            partial = target.partial(wanted.sha256)
            try:
                _place(source, partial, link=link)
            except BaseException:
                partial.unlink(missing_ok=True)  # the next try cannot use half a copy
                raise
            return land(target, partial, wanted, progress)
    except OSError as error:
        raise_for_disk(error, models_dir, size, str(source))


def _target(source: Path, models_dir: Path, digest: str, size: int) -> tuple[Target, Wanted]:
    sha256 = digest.removeprefix(PREFIX)
    if entry := _known(sha256):
        target = Target(entry.name, models_dir / entry.local_file, entry, entry.repo, entry.file)
        return target, Wanted(sha256, size, target.source)
    path = models_dir / source.name
    entry = entries_by_file().get(path.name)
    target = Target(entry.name if entry else model_name(path), path, entry, "", source.name)
    return target, Wanted(sha256, size, FILE_PREFIX + str(source.resolve()))


def _known(sha256: str) -> Entry | None:
    return next((entry for entry in catalogue().values() if entry.sha256 == sha256), None)


def _place(source: Path, partial: Path, *, link: bool) -> None:
    partial.unlink(missing_ok=True)
    if not link:
        check_room(partial.parent, source.stat().st_size, str(source))
        shutil.copyfile(source, partial)
        return
    try:
        os.link(source.resolve(), partial)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP):
            raise
        text = f"{source} cannot be linked into {partial.parent}, which is on another disk: import a copy"
        raise ModelError(f"{text}, without --link", reason="NO_LINK") from error
