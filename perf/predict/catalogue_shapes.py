"""The shapes of the catalogue's models: from the file where it is here, else from the catalogue."""

import re
from dataclasses import dataclass
from pathlib import Path

from perf.engine.weight_bytes import bytes_of
from perf.predict.shape import GIGA, Shape, shape_of
from perf.predict.tables import embeddings
from xapp.models.catalogue import Entry, catalogue

_K_FORMATS = re.compile(r"q[456]_k|-q4\.gguf", re.IGNORECASE)
_TILED_4 = re.compile(r"q4_0|iq4_nl", re.IGNORECASE)
_SIZE = re.compile(r"([\d.]+) ?(GB|MB|B|M)")
_UNITS = {"GB": 1e9, "MB": 1e6, "B": 1e9, "M": 1e6}
_USUAL_BITS = 4.85


@dataclass(frozen=True, slots=True)
class CatalogueShape:
    """A model and what a token of it costs. `exact`: the bytes are those of the file's own tensors."""

    name: str
    file_bytes: float
    shape: Shape
    kernels: str
    exact: bool


def kernels_of(file: str) -> str:
    """The kernels of today's llama.cpp for the format that a file's name tells."""
    if _K_FORMATS.search(file):
        return "repacked-k"
    return "repacked-4" if _TILED_4.search(file) else "rows"


def catalogue_shapes(folder: Path) -> list[CatalogueShape]:
    """Of every model that generates text and whose number of weights is known."""
    found = (_shape(entry, folder) for entry in catalogue().values() if entry.kind in {"chat", "completion"})
    return [each for each in found if each is not None]


def _shape(entry: Entry, folder: Path) -> CatalogueShape | None:
    params = float(entry.num_params or 0) or _number(entry.params)
    if not params:
        return None
    size = float(entry.size_bytes or 0) or _number(entry.size_rounded) or params * _USUAL_BITS / 8
    table = embeddings().get(entry.name, (0, 0, True))
    shape = shape_of(params, table, bits=size * 8 / params, file_bytes=size)
    path = folder / entry.local_file
    if exact := path.is_file():
        shape = Shape(bytes_of(path, 0).weight_bytes, shape.prefill_params)
    return CatalogueShape(entry.name, size, shape, kernels_of(entry.file), exact)


def _number(text: str) -> float:
    """Of "3.8B" or "4.37 GB"; 0 for an empty text."""
    match = _SIZE.match(text)
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


def billions(params: float) -> str:
    """For people."""
    return f"{params / GIGA:.2f}"
