"""Gives a fetched file its name in the models folder: whole, checked and recorded, or not at all."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.catalogue import Entry, flat_name
from xapp.models.digest import PREFIX, Record, hash_file, make_record, write_record
from xapp.models.hub_names import HubName
from xapp.models.info import read_gguf
from xapp.models.parts import digest_of_parts, part_of
from xapp.models.store import ModelFile
from xapp.models.transfer import Progress


@dataclass(frozen=True, slots=True)
class Pulled:
    """The result of a pull. `was_there`: nothing was fetched. `notes` are for people."""

    model: ModelFile
    record: Record
    was_there: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """The source and the place of a file."""

    name: str
    path: Path
    entry: Entry | None
    repo: str
    file: str

    @property
    def source(self) -> str:
        """The source in its record: the package's pin, or hf:REPO/FILE."""
        if self.entry and self.entry.package:
            return self.entry.package.requirement
        return HubName(self.repo, self.file).source

    @property
    def parts(self) -> "list[Target]":
        """A target for each file, the first part first; for a model in one file, this target."""
        part = part_of(self.file)
        if part is None:
            return [self]
        return [replace(self, path=self.path.with_name(flat_name(file)), file=file) for file in part.names]

    @property
    def model(self) -> ModelFile:
        """The model after it has landed."""
        return ModelFile(self.name, self.path, self.entry)

    def partial(self, sha256: str) -> Path:
        """The partial file, named after its content, so that another revision never continues it."""
        return self.path.with_name(f".{self.path.name}.{sha256[:16]}.partial")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The content that a source states. `revision` is empty for a package."""

    sha256: str
    size: int
    source: str
    revision: str = ""


def whole_of(first: Pulled, others: list[Pulled]) -> Pulled:
    """The result for a model in parts. Size and digest are those of all parts."""
    if not others:
        return first
    records = [first.record, *(other.record for other in others)]
    record = replace(
        first.record,
        digest=digest_of_parts([each.digest for each in records]),
        size=sum(each.size for each in records),
    )
    was_there = all(each.was_there for each in (first, *others))
    return replace(first, record=record, was_there=was_there)


def leftovers(path: Path) -> list[Path]:
    """The remains of unfinished pulls of `path`."""
    if not path.parent.is_dir():
        return []
    return [other for other in path.parent.iterdir() if _left_over(other.name, path.name)]


def _left_over(name: str, model: str) -> bool:
    return name.startswith(f".{model}.") and ".partial" in name[len(model) + 1 :]


def adopt(target: Target, progress: Progress) -> Pulled | None:
    """Records a file whose sha256 is in the catalogue; None for any other file."""
    entry, size = target.entry, target.path.stat().st_size
    if entry is None or not entry.sha256 or (entry.repo, entry.file) != (target.repo, target.file):
        return None
    if entry.size_bytes not in (None, size):
        return None
    wanted = Wanted(entry.sha256, size, target.source)
    if _hash(target.path, wanted, progress) != wanted.sha256:
        return None
    return _recorded(target, wanted, was_there=True)


def keep(target: Target, wanted: Wanted, progress: Progress) -> Pulled:
    """The result for a present file: the wanted content gets its record. Other content is not replaced."""
    if target.path.stat().st_size == wanted.size and _hash(target.path, wanted, progress) == wanted.sha256:
        return _recorded(target, wanted, was_there=True)
    raise ModelError(
        f"{target.path} exists and is not what {wanted.source} has; "
        f"to replace it, remove it first: genai-xapp models rm {target.name}",
        reason="OTHER_FILE_THERE",
    )


def land(target: Target, partial: Path, wanted: Wanted, progress: Progress) -> Pulled:
    """Checks `partial` and gives it its name. Raises ModelError, and removes the partial file."""
    size, sha256 = partial.stat().st_size, _hash(partial, wanted, progress)
    if (size, sha256) != (wanted.size, wanted.sha256):
        partial.unlink()
        raise ModelError(
            f"{target.path.name}: {wanted.source} states sha256 {wanted.sha256} and {wanted.size:,} bytes, "
            f"what came has {sha256} and {size:,}; it was removed",
            reason="WRONG_HASH",
        )
    _check_structure(partial, wanted)
    sync(partial)
    partial.replace(target.path)
    return _recorded(target, wanted, was_there=False)


def _check_structure(partial: Path, wanted: Wanted) -> None:
    try:
        read_gguf(partial)
    except ModelError as error:
        partial.unlink()
        text = error.message.replace(str(partial), wanted.source)
        raise ModelError(f"{text}; it was removed", reason=error.reason) from error


def _recorded(target: Target, wanted: Wanted, *, was_there: bool) -> Pulled:
    facts = (target.path, PREFIX + wanted.sha256, wanted.source, wanted.revision)
    try:
        record = write_record(*facts)
    except OSError:
        if not was_there:
            raise
        record = make_record(*facts)  # the folder is read-only: the file is valid without a record
    return Pulled(target.model, record, was_there, _notes(target, wanted))


def _notes(target: Target, wanted: Wanted) -> tuple[str, ...]:
    entry = target.entry
    if entry is None or not entry.repo or target.path.name != entry.local_file:
        return ()
    if (entry.repo, entry.file) != (target.repo, target.file):
        return (f"it is served as {entry.name}, whose file in the catalogue is hf:{entry.repo}/{entry.file}",)
    if entry.sha256 in ("", wanted.sha256):
        return ()
    return (f"{target.name}: the hub's file is another one than the catalogue saw (sha256 {entry.sha256})",)


def _hash(path: Path, wanted: Wanted, progress: Progress) -> str:
    digest = hash_file(path, lambda done: progress.update("checking", done, wanted.size))
    return digest.removeprefix(PREFIX)


def sync(path: Path) -> None:
    """Forces the file to the disk before it gets its name: a power cut must not leave a hollow file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
