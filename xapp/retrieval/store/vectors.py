"""Vectors: the vectors of a collection in memory, searched exactly. 20,000 of 384 numbers take 31 MB."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from xapp.retrieval.store.base import Found

_LEAST_ROOM = 256


class Vectors:
    """Rows of length 1, each with the number of its passage and of its document."""

    def __init__(self, dimensions: int) -> None:
        self._rows: npt.NDArray[np.float32] = np.empty((_LEAST_ROOM, dimensions), np.float32)
        self._passages: npt.NDArray[np.int64] = np.empty(_LEAST_ROOM, np.int64)
        self._documents: npt.NDArray[np.int64] = np.empty(_LEAST_ROOM, np.int64)
        self._size = 0

    @property
    def num_bytes(self) -> int:
        """Memory."""
        return self._rows.nbytes + self._passages.nbytes + self._documents.nbytes

    def add(self, document: int, passages: Sequence[int], vectors: Sequence[bytes]) -> None:
        """The passages of a document."""
        end = self._size + len(passages)
        self._make_room(end)
        self._rows[self._size : end] = np.frombuffer(b"".join(vectors), np.float32).reshape(len(passages), -1)
        self._passages[self._size : end] = passages
        self._documents[self._size : end] = document
        self._size = end

    def _make_room(self, size: int) -> None:
        if size <= len(self._rows):
            return
        room = max(size, len(self._rows) * 3 // 2)
        self._rows = np.resize(self._rows, (room, self._rows.shape[1]))
        self._passages = np.resize(self._passages, room)
        self._documents = np.resize(self._documents, room)

    def remove(self, documents: Collection[int]) -> None:
        """Every passage of these documents."""
        kept = ~np.isin(self._documents[: self._size], list(documents))
        size = int(kept.sum())
        for array in (self._rows, self._passages, self._documents):
            array[:size] = array[: self._size][kept]
        self._size = size

    def nearest(self, vector: bytes, most: int, documents: Collection[int] | None) -> list[Found]:
        """The passages with the greatest cosine. `documents` None is all."""
        cosines = _products(self._rows[: self._size], vector)
        places = np.arange(self._size)
        if documents is not None:
            places = places[np.isin(self._documents[: self._size], list(documents))]
        if len(places) > most:
            places = places[np.argpartition(cosines[places], -most)[-most:]]
        places = places[np.lexsort((self._passages[places], -cosines[places]))]
        return [Found(int(self._passages[place]), float(cosines[place])) for place in places]

    def cosines(self, vector: bytes, passages: Sequence[int]) -> dict[int, float]:
        """The cosines of these passages."""
        places = np.flatnonzero(np.isin(self._passages[: self._size], list(passages)))
        cosines = _products(self._rows[places], vector)
        return {int(self._passages[place]): float(each) for place, each in zip(places, cosines, strict=True)}


def _products(rows: npt.NDArray[np.float32], vector: bytes) -> npt.NDArray[np.float32]:
    """The scalar product of each row. Not by `@`: its threads would wait for each other on every core."""
    products: npt.NDArray[np.float32] = np.einsum("ij,j->i", rows, np.frombuffer(vector, np.float32))
    return products
