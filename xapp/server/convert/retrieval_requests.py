"""Converts the requests of RetrievalService, and the passages that a request for an answer wants."""

from array import array
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from xapp.domain.collection import CollectionSpec
from xapp.domain.documents import Document, Passage
from xapp.domain.embedding import Caller
from xapp.domain.grounding import Grounding, NothingFound
from xapp.domain.metadata import Filter
from xapp.domain.search import DEFAULT_TOP_K, MAX_QUERY_CHARS, MAX_TOP_K, SearchMode, SearchRequest
from xapp.edge.retrieval_fields import (
    collection_name,
    score,
    short,
    to_filter,
    to_grounding,
    to_metadata,
    within,
)
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2
from xapp.retrieval.v1 import retrieval_pb2 as pb

MAX_ID_CHARS = 512
MAX_TITLE_CHARS = 512
MAX_PASSAGES = 20_000
_PASSAGE_CHARS = (200, 8000)
MODES = {
    pb.SEARCH_MODE_UNSPECIFIED: None,
    pb.SEARCH_MODE_HYBRID: SearchMode.HYBRID,
    pb.SEARCH_MODE_WORDS: SearchMode.WORDS,
    pb.SEARCH_MODE_VECTORS: SearchMode.VECTORS,
}
_NOTHING_FOUND = {
    inference_pb2.NOTHING_FOUND_UNSPECIFIED: NothingFound.FAIL,
    inference_pb2.NOTHING_FOUND_FAIL: NothingFound.FAIL,
    inference_pb2.NOTHING_FOUND_ABSTAIN: NothingFound.ABSTAIN,
}


def to_spec(wire: pb.CreateCollectionRequest) -> CollectionSpec:
    """A new collection."""
    if wire.words_only and wire.embedding_model:
        raise InvalidArgument("words_only", "cannot be set beside embedding_model")
    default = CollectionSpec("")
    size = wire.passage_chars if wire.HasField("passage_chars") else default.passage_chars
    overlap = wire.overlap_chars if wire.HasField("overlap_chars") else min(default.overlap_chars, size // 2)
    return CollectionSpec(
        name=collection_name("name", wire.name),
        embedding_model=None if wire.words_only else wire.embedding_model,
        shared=wire.shared,
        passage_chars=within("passage_chars", size, *_PASSAGE_CHARS),
        overlap_chars=within("overlap_chars", overlap, 0, size // 2),
    )


def to_document(wire: pb.Document) -> Document:
    """A document, with as much of its content as the message has."""
    if not 1 <= len(wire.id) <= MAX_ID_CHARS or not wire.id.isprintable():
        raise InvalidArgument("document.id", f"must be 1 to {MAX_ID_CHARS} printable characters")
    if wire.passages and wire.content:
        raise InvalidArgument("document.passages", "cannot be set beside content")
    if len(wire.passages) > MAX_PASSAGES:
        text = f"has {len(wire.passages):,} passages, at most {MAX_PASSAGES:,} are taken"
        raise InvalidArgument("document.passages", text)
    return Document(
        id=wire.id,
        title=short("document.title", wire.title, MAX_TITLE_CHARS),
        media_type=short("document.media_type", wire.media_type, MAX_TITLE_CHARS),
        metadata=to_metadata("document.metadata", _values("document.metadata", wire.metadata)),
        content=wire.content,
        passages=tuple(_passage(index, each) for index, each in enumerate(wire.passages)),
        embedding_digest=wire.embedding_digest,
    )


def _passage(index: int, wire: pb.Passage) -> Passage:
    place = f"document.passages[{index}]"
    if not wire.text.strip() or "\0" in wire.text + wire.title:
        raise InvalidArgument(f"{place}.text", "is empty, or has zero bytes")
    if not 0 <= wire.start <= wire.end:
        raise InvalidArgument(f"{place}.start", "must be 0 or more, and at most `end`")
    title = short(f"{place}.title", wire.title, MAX_TITLE_CHARS)
    return Passage(wire.text, title, wire.start, wire.end, array("f", wire.vector).tobytes())


def to_deleted(wire: pb.DeleteRequest) -> tuple[list[str] | None, Filter]:
    """The ids, or None and a filter."""
    if wire.ids and wire.HasField("filter"):
        raise InvalidArgument("filter", "cannot be set beside ids")
    if len(wire.ids) > (most := 10_000):
        raise InvalidArgument("ids", f"has {len(wire.ids):,} ids, at most {most:,} are taken")
    if wire.ids:
        return list(wire.ids), ()
    condition = to_filter("filter", _values("filter", wire.filter))
    if not condition:
        raise InvalidArgument("ids", "name documents, or set a filter")
    return None, condition


def to_search(wire: pb.SearchRequest, caller: Caller) -> SearchRequest:
    """A question to a collection."""
    if wire.mode not in MODES:
        raise InvalidArgument("mode", f"{wire.mode} is no mode")
    if not wire.query.strip():
        raise InvalidArgument("query", "is empty")
    return SearchRequest(
        collection=collection_name("collection", wire.collection),
        query=short("query", wire.query, MAX_QUERY_CHARS),
        top_k=within("top_k", wire.top_k, 1, MAX_TOP_K) if wire.HasField("top_k") else DEFAULT_TOP_K,
        min_score=score("min_score", wire.min_score),
        filter=to_filter("filter", _values("filter", wire.filter)),
        mode=MODES[wire.mode],
        rerank=wire.rerank if wire.HasField("rerank") else None,
        caller=caller,
    )


def to_retrieval(wire: inference_pb2.Retrieval, scope: str) -> Grounding:
    """The passages that a request for an answer wants."""
    if (on_nothing := _NOTHING_FOUND.get(wire.on_nothing)) is None:
        raise InvalidArgument("retrieval.on_nothing", f"{wire.on_nothing} is no value")
    return to_grounding(
        wire.collection,
        scope,
        top_k=wire.top_k if wire.HasField("top_k") else None,
        min_score=wire.min_score,
        condition=_values("retrieval.filter", wire.filter),
        max_context_tokens=wire.max_context_tokens if wire.HasField("max_context_tokens") else None,
        on_nothing=on_nothing,
        query=wire.query,
    )


def _values(field: str, wire: Struct) -> Mapping[str, Any]:
    try:
        values: Mapping[str, Any] = MessageToDict(wire)
    except ValueError as error:
        raise InvalidArgument(field, "has a number that is not finite") from error
    return values
