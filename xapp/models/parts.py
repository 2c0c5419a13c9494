"""Models in several files: NAME-00001-of-00003.gguf, -00002-of-00003 and so on, side by side.

llama.cpp is given the first file and finds the others by their names. Here the first file stands for the
model.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.digest import PREFIX, OnBytes, digest_of, rehash

SUFFIX = ".gguf"
MAX_PARTS = 999
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class Part:
    """The parts of the name of one file of a split model. `stem` may have folders of a repository in it."""

    stem: str
    number: int
    count: int

    def at(self, number: int) -> str:
        """The name of another part."""
        return f"{self.stem}-{number:05d}-of-{self.count:05d}.gguf"

    @property
    def names(self) -> list[str]:
        """All parts, the first one first."""
        return [self.at(number) for number in range(1, self.count + 1)]


def part_of(name: str) -> Part | None:
    """The part of a file name; None for a whole model."""
    match = _PART.fullmatch(name)
    if match is None:
        return None
    part = Part(match[1], int(match[2]), int(match[3]))
    return part if 1 <= part.number <= part.count <= MAX_PARTS else None


def model_name(path: Path) -> str:
    """The name of the model that a file of the models folder is: its name without the part's number."""
    part = part_of(path.name)
    return path.stem if part is None else part.stem


def is_later_part(path: Path) -> bool:
    """Whether the file is a later part: another file stands for the model."""
    part = part_of(path.name)
    return part is not None and part.number > 1


def all_parts(path: Path) -> list[Path]:
    """All files of the model whose first part, or only file, is `path`, whether they exist or not."""
    part = part_of(path.name)
    return [path] if part is None else [path.with_name(name) for name in part.names]


def check_parts(path: Path) -> None:
    """Raises ModelError for a part that is not the first, and for a missing part, with its name."""
    part = part_of(path.name)
    if part is None:
        return
    if part.number > 1:
        text = f"{path} is part {part.number} of {part.count}: name the first, {part.at(1)}"
        raise ModelError(text, reason="NOT_FIRST_PART", metadata={"file": str(path)})
    for other in all_parts(path):
        if not other.is_file():
            text = f"{other} is missing: {part.stem} has {part.count} parts, which lie side by side"
            raise ModelError(text, reason="MISSING_PART", metadata={"file": str(other)})


def total_bytes(path: Path) -> int:
    """The size of all files; missing files have none."""
    return sum(part.stat().st_size for part in all_parts(path) if part.is_file())


def in_turn(path: Path, on_bytes: OnBytes | None) -> Iterator[tuple[Path, OnBytes]]:
    """Each part, with a callback for its progress that counts the parts before it."""
    before = 0
    for part in all_parts(path):
        yield part, partial(_tell, on_bytes, before)
        before += part.stat().st_size


def _tell(on_bytes: OnBytes | None, before: int, done: int) -> None:
    if on_bytes:
        on_bytes(before + done)


def model_digest(path: Path, on_bytes: OnBytes | None = None) -> str:
    """`sha256:…` of a model: of its file, or of the list of its parts' digests, a line each. Raises
    ModelError with a file that cannot be read.
    """
    return digest_of_parts([digest_of(part, tell) for part, tell in in_turn(path, on_bytes)])


def model_rehash(path: Path) -> str:
    """The same, always by reading each file. Raises ModelError."""
    return digest_of_parts([rehash(part) for part in all_parts(path)])


def digest_of_parts(digests: list[str]) -> str:
    """The digest of the whole model; for a single file, the file's own."""
    if len(digests) == 1:
        return digests[0]
    lines = "".join(f"{digest}\n" for digest in digests)
    return PREFIX + hashlib.sha256(lines.encode()).hexdigest()
