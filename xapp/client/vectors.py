"""Vectors in answers of EmbeddingService."""

import sys
from array import array

from xapp.inference.v1 import embedding_pb2 as pb


def unpacked(embedding: pb.TextEmbedding) -> "array[float]":
    """The numbers of a vector, whichever way it was sent."""
    if not embedding.packed:
        return array("f", embedding.values)
    vector = array("f", embedding.packed)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
