"""Cuts a GGUF file into parts, as llama.cpp's own tool does: tensors in turn, metadata in the first."""

import struct
from pathlib import Path

from tests.models.gguf_file import text
from tests.models.gguf_whole import file_bytes, read_whole


def split(whole: Path, folder: Path, stem: str, count: int) -> list[Path]:
    """Writes the parts, each with about as many tensors."""
    file = read_whole(whole)
    total = len(file.tensors)
    share = -(-total // count)
    paths = []
    for number in range(count):
        facts = file.metadata if number == 0 else b""
        num_facts = file.num_keys if number == 0 else 0
        path = folder / f"{stem}-{number + 1:05d}-of-{count:05d}.gguf"
        own = file.tensors[number * share : (number + 1) * share]
        path.write_bytes(file_bytes(num_facts + 3, facts + _place(number, count, total), own))
        paths.append(path)
    return paths


def _place(number: int, count: int, total: int) -> bytes:
    """The three keys of a part."""
    keys = text("split.no") + struct.pack("<IH", 2, number)
    keys += text("split.count") + struct.pack("<IH", 2, count)
    return keys + text("split.tensors.count") + struct.pack("<Ii", 5, total)
