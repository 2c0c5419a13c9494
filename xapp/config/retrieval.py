"""`[retrieval]`: collections of documents on this node."""

from typing import Annotated

import msgspec
from msgspec import Meta

from xapp.config.values import Positive

_MB = 1024 * 1024


class RetrievalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`folder` has a file for each collection. `url`, a database, has them instead. Both "": no retrieval.

    `embedding_model` is for collections that name none, "" the node's. `rerank_model` sorts what a search
    finds, "" for none. `cache_bytes` is memory for vectors.
    """

    folder: str = ""
    url: str = ""
    embedding_model: str = ""
    rerank_model: str = ""
    max_collections: Positive = 64
    max_passages: Positive = 50_000
    max_collection_bytes: Annotated[int, Meta(ge=1 * _MB)] = 2048 * _MB
    max_document_bytes: Annotated[int, Meta(ge=1024, le=12 * _MB)] = 8 * _MB
    cache_bytes: Annotated[int, Meta(ge=0)] = 256 * _MB
