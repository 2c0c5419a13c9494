"""A shallow copy of a model: the first of its layers. It has the whole vocabulary, loads and computes in a
fifth of the time, and talks nonsense, always the same.
"""

import re
import struct
from pathlib import Path

from tests.models.gguf_file import text
from tests.models.gguf_whole import file_bytes, read_whole

NUM_LAYERS = 2
_BLOCK_COUNT = text("llama.block_count") + struct.pack("<I", 4)


def shallow(whole: Path, target: Path) -> Path:
    """Writes the copy."""
    file = read_whole(whole)
    start = file.metadata.index(_BLOCK_COUNT) + len(_BLOCK_COUNT)
    metadata = file.metadata[:start] + struct.pack("<I", NUM_LAYERS) + file.metadata[start + 4 :]
    kept = [each for each in file.tensors if _layer(each.name) < NUM_LAYERS]
    target.write_bytes(file_bytes(file.num_keys, metadata, kept))
    return target


def _layer(name: str) -> int:
    """0 for a tensor outside of the layers."""
    found = re.match(r"blk\.(\d+)\.", name)
    return int(found[1]) if found else 0
