"""Converts the answers of RetrievalService, and the sources of an answer."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import DocumentInfo, Outcome, UpsertResult
from xapp.domain.grounding import Source
from xapp.domain.search import Hit, SearchResult
from xapp.durations import to_duration
from xapp.inference.v1 import inference_pb2
from xapp.retrieval.v1 import retrieval_pb2 as pb
from xapp.server.convert.retrieval_requests import MODES

_OUTCOMES = {
    Outcome.ADDED: pb.UPSERT_OUTCOME_ADDED,
    Outcome.REPLACED: pb.UPSERT_OUTCOME_REPLACED,
    Outcome.UNCHANGED: pb.UPSERT_OUTCOME_UNCHANGED,
    Outcome.SKIPPED: pb.UPSERT_OUTCOME_SKIPPED,
}


def collection(info: CollectionInfo) -> pb.Collection:
    """A collection."""
    wire = pb.Collection(
        name=info.name,
        shared=not info.owner,
        state=pb.COLLECTION_STATE_FAILED if info.error else pb.COLLECTION_STATE_READY,
        error=info.error,
        embedding_model=info.embedding_model,
        embedding_digest=info.embedding_digest,
        dimensions=info.dimensions,
        num_documents=info.num_documents,
        num_passages=info.num_passages,
        size_bytes=info.size_bytes,
        passage_chars=info.passage_chars,
        overlap_chars=info.overlap_chars,
        schema_version=info.schema_version,
    )
    if info.created:
        wire.created.CopyFrom(_timestamp(info.created))
    return wire


def _timestamp(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


def result(upserted: UpsertResult) -> pb.UpsertResult:
    """What became of a document."""
    return pb.UpsertResult(
        id=upserted.id,
        outcome=_OUTCOMES[upserted.outcome],
        num_passages=upserted.num_passages,
        reason=upserted.reason,
        message=upserted.message,
        digest=upserted.digest,
    )


def document(info: DocumentInfo) -> pb.DocumentInfo:
    """A stored document."""
    return pb.DocumentInfo(
        id=info.id,
        digest=info.digest,
        title=info.title,
        num_passages=info.num_passages,
        metadata=_struct(info.metadata),
    )


def searched(found: SearchResult) -> pb.SearchResponse:
    """The passages."""
    return pb.SearchResponse(
        hits=map(_hit, found.hits),
        mode=next(wire for wire, mode in MODES.items() if mode is found.mode),
        rerank_method=found.rerank_method,
        embed_duration=to_duration(found.embed_s),
        search_duration=to_duration(found.search_s),
        rerank_duration=to_duration(found.rerank_s),
    )


def _hit(hit: Hit) -> pb.Hit:
    return pb.Hit(
        document=hit.document,
        title=hit.title,
        start=hit.start,
        end=hit.end,
        text=hit.text,
        digest=hit.digest,
        score=hit.score,
        cosine=hit.cosine,
        bm25=hit.bm25,
        relevance=hit.relevance,
        metadata=_struct(hit.metadata),
    )


def source(each: Source) -> inference_pb2.Source:
    """A passage in a prompt."""
    return inference_pb2.Source(
        number=each.number,
        document=each.document,
        title=each.title,
        start=each.start,
        end=each.end,
        score=each.score,
        digest=each.digest,
        collection=each.collection,
    )


def _struct(values: Mapping[str, Any]) -> Struct:
    wire = Struct()
    wire.update(dict(values))
    return wire
