"""The bytes of each layer of a model, and of the tensors outside of layers, from the headers of its files."""

import re
from dataclasses import dataclass
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.gguf import read_tensor_bytes
from xapp.models.parts import all_parts

_LAYER = re.compile(r"blk\.(\d{1,4})\.")


@dataclass(frozen=True, slots=True)
class LayerBytes:
    """`layers[i]` are the bytes of the weights of layer i. `others` are embeddings, output and the like."""

    layers: tuple[int, ...]
    others: int


def layer_bytes(path: Path) -> LayerBytes:
    """Of the model whose first file is `path`. Raises ModelError for a file without layers."""
    layers: dict[int, int] = {}
    others = 0
    for part in all_parts(path):
        for name, size in read_tensor_bytes(part).items():
            if (match := _LAYER.match(name)) is None:
                others += size
            else:
                layers[int(match[1])] = layers.get(int(match[1]), 0) + size
    if sorted(layers) != list(range(len(layers))) or not layers:
        raise ModelError(f"{path}: its layers are not blk.0, blk.1 and so on", reason="UNSUPPORTED_MODEL")
    return LayerBytes(tuple(layers[number] for number in range(len(layers))), others)
