"""RetrievalService on the wire, and `retrieval` of Generate: fields, rights, streams, statuses."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct, Value

from tests.fake_embedding import FakeEmbedding
from tests.server.conftest import Node, running, settings
from tests.server.fake_service import FINISHED, FakeService, started
from tests.server.rich import details_of
from xapp.client.retrieval_methods import struct
from xapp.config import RetrievalSettings
from xapp.domain.answers import Chunk, Event
from xapp.domain.grounding import Grounding, NothingFound, Source
from xapp.domain.metadata import Condition
from xapp.domain.requests import Request
from xapp.inference.v1 import inference_pb2
from xapp.retrieval.service import RetrievalService
from xapp.retrieval.v1 import retrieval_pb2 as pb
from xapp.retrieval.v1 import retrieval_pb2_grpc
from xapp.security.tokens import hash_of

PAGE = b"# Fan\nA technician replaces the broken fan.\n"


@contextlib.asynccontextmanager
async def with_collections(folder: Path, **fields: Any) -> AsyncIterator[Node]:
    collections = RetrievalService(RetrievalSettings(folder=str(folder / "c")), FakeEmbedding())
    collections.start()
    try:
        configured = settings(**{"retrieval_max_document_bytes": 4096, **fields})
        async with running(FakeService(collections=collections), configured) as node:
            yield node
    finally:
        await collections.aclose()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with with_collections(tmp_path) as node:
        yield node


def stub(node: Node) -> Any:
    return retrieval_pb2_grpc.RetrievalServiceStub(node.channel)


def upserts(*documents: pb.Document, collection: str = "docs") -> Iterator[pb.UpsertRequest]:
    for document in documents:
        yield pb.UpsertRequest(collection=collection, document=document)


async def filled(node: Node, **metadata: Any) -> None:
    await stub(node).CreateCollection(pb.CreateCollectionRequest(name="docs"))
    document = pb.Document(id="fan.md", content=PAGE, metadata=struct(metadata))
    await stub(node).Upsert(upserts(document))


async def test_documents_go_in_and_passages_come_out(node: Node) -> None:
    created = await stub(node).CreateCollection(pb.CreateCollectionRequest(name="docs", passage_chars=400))
    assert (created.collection.name, created.collection.shared) == ("docs", True)
    assert (created.collection.passage_chars, created.collection.overlap_chars) == (400, 150)
    assert created.collection.state == pb.COLLECTION_STATE_READY
    document = pb.Document(id="fan.md", content=PAGE, metadata=struct({"year": 2024, "kind": "note"}))
    response = await stub(node).Upsert(upserts(document, pb.Document(id="bad.txt", content=b"\xff\xfe\xfa")))
    added, skipped = response.results
    assert (added.id, added.outcome, added.num_passages) == ("fan.md", pb.UPSERT_OUTCOME_ADDED, 1)
    assert (skipped.outcome, skipped.reason) == (pb.UPSERT_OUTCOME_SKIPPED, "BAD_ENCODING")
    found = await stub(node).Search(pb.SearchRequest(collection="docs", query="Who replaces the fan?"))
    (hit,) = found.hits
    assert (hit.document, hit.title, hit.text) == ("fan.md", "Fan", "A technician replaces the broken fan.")
    assert dict(hit.metadata) == {"year": 2024.0, "kind": "note"}
    assert hit.HasField("cosine")
    assert not hit.HasField("relevance")
    assert found.mode == pb.SEARCH_MODE_HYBRID


async def test_a_large_document_comes_in_parts(node: Node) -> None:
    await stub(node).CreateCollection(pb.CreateCollectionRequest(name="docs", words_only=True))

    def parts() -> Iterator[pb.UpsertRequest]:
        yield pb.UpsertRequest(collection="docs", document=pb.Document(id="a.txt", content=b"one "))
        yield pb.UpsertRequest(data=b"two ")
        yield pb.UpsertRequest(data=b"three")
        yield pb.UpsertRequest(document=pb.Document(id="b.txt", content=b"four"))
        yield pb.UpsertRequest(document=pb.Document(id="huge.txt", content=b"x" * 4000))
        for _ in range(10):
            yield pb.UpsertRequest(data=b"y" * 4000)
        yield pb.UpsertRequest(document=pb.Document(id="c.txt", content=b"five"))

    results = (await stub(node).Upsert(parts())).results
    assert [(each.id, each.reason) for each in results] == [
        ("a.txt", ""),
        ("b.txt", ""),
        ("huge.txt", "TOO_LARGE"),
        ("c.txt", ""),
    ]
    assert "44,000 bytes" in results[2].message
    hits = (await stub(node).Search(pb.SearchRequest(collection="docs", query="three"))).hits
    assert [hit.text for hit in hits] == ["one two three"]


async def test_documents_are_listed_and_deleted(node: Node) -> None:
    await filled(node, year=2024)
    listed = [each async for each in stub(node).ListDocuments(pb.ListDocumentsRequest(collection="docs"))]
    assert [each.id for message in listed for each in message.documents] == ["fan.md"]
    assert listed[0].documents[0].digest.startswith("sha256:")
    nothing = pb.DeleteRequest(collection="docs", filter=struct({"year": {"at_most": 2000}}))
    assert (await stub(node).Delete(nothing)).num_documents == 0
    assert (await stub(node).Delete(pb.DeleteRequest(collection="docs", ids=["fan.md"]))).num_documents == 1


async def test_a_backup_is_a_file_of_sqlite(node: Node) -> None:
    await filled(node)
    blocks = [each.data async for each in stub(node).Backup(pb.BackupRequest(collection="docs"))]
    assert b"".join(blocks).startswith(b"SQLite format 3\0")


async def test_collections_are_listed_and_deleted(node: Node) -> None:
    await filled(node)
    (listed,) = (await stub(node).ListCollections(pb.ListCollectionsRequest())).collections
    assert (listed.name, listed.num_documents, listed.schema_version) == ("docs", 1, 1)
    got = await stub(node).GetCollection(pb.GetCollectionRequest(name="docs"))
    assert got.collection == listed
    await stub(node).DeleteCollection(pb.DeleteCollectionRequest(name="docs"))
    assert not (await stub(node).ListCollections(pb.ListCollectionsRequest())).collections


DOCUMENT = pb.Document(id="a", content=b"text")
NOT_FINITE = Struct(fields={"a": Value(number_value=float("nan"))})
BAD: list[tuple[str, Any, str]] = [
    ("CreateCollection", pb.CreateCollectionRequest(), "name"),
    ("CreateCollection", pb.CreateCollectionRequest(name="UPPER"), "name"),
    ("CreateCollection", pb.CreateCollectionRequest(name="a", passage_chars=10), "passage_chars"),
    ("CreateCollection", pb.CreateCollectionRequest(name="a", overlap_chars=501), "overlap_chars"),
    (
        "CreateCollection",
        pb.CreateCollectionRequest(name="a", words_only=True, embedding_model="m"),
        "words_only",
    ),
    ("GetCollection", pb.GetCollectionRequest(), "name"),
    ("Search", pb.SearchRequest(collection="docs"), "query"),
    ("Search", pb.SearchRequest(collection="docs", query="x" * 8193), "query"),
    ("Search", pb.SearchRequest(collection="docs", query="x", top_k=0), "top_k"),
    ("Search", pb.SearchRequest(collection="docs", query="x", top_k=101), "top_k"),
    ("Search", pb.SearchRequest(collection="docs", query="x", min_score=float("nan")), "min_score"),
    ("Search", pb.SearchRequest(collection="docs", query="x", mode=9), "mode"),  # type: ignore[arg-type]
    ("Search", pb.SearchRequest(collection="docs", query="x", filter=struct({"a": {"b": 1}})), "filter.a"),
    ("Search", pb.SearchRequest(collection="docs", query="x", filter=struct({"a": None})), "filter.a"),
    ("Search", pb.SearchRequest(collection="docs", query="x", filter=struct({"a": [[1]]})), "filter.a"),
    ("Search", pb.SearchRequest(collection="docs", query="x", filter=NOT_FINITE), "filter"),
    ("Delete", pb.DeleteRequest(collection="docs"), "ids"),
    ("Delete", pb.DeleteRequest(collection="docs", filter=NOT_FINITE), "filter"),
    ("Delete", pb.DeleteRequest(collection="docs", ids=["a"], filter=struct({"a": 1})), "filter"),
]


@pytest.mark.parametrize(("method", "request_", "field"), BAD)
async def test_a_bad_value_names_its_field(node: Node, method: str, request_: Any, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub(node), method)(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(caught.value).info.metadata["field"] == field


BAD_UPSERTS: list[tuple[list[pb.UpsertRequest], str]] = [
    (
        [pb.UpsertRequest(collection="docs", document=pb.Document(id="a", metadata=NOT_FINITE))],
        "document.metadata",
    ),
    ([pb.UpsertRequest(document=DOCUMENT)], "collection"),
    ([pb.UpsertRequest(collection="docs", data=b"x")], "data"),
    ([pb.UpsertRequest(collection="docs", document=pb.Document(id="\n"))], "document.id"),
    (
        [
            pb.UpsertRequest(collection="docs", document=DOCUMENT),
            pb.UpsertRequest(collection="other", data=b"x"),
        ],
        "collection",
    ),
    (
        [pb.UpsertRequest(collection="docs", document=pb.Document(id="a", metadata=struct({"a": [1]})))],
        "document.metadata.a",
    ),
    (
        [pb.UpsertRequest(collection="docs", document=pb.Document(id="a", passages=[pb.Passage(text=" ")]))],
        "document.passages[0].text",
    ),
    (
        [
            pb.UpsertRequest(
                collection="docs",
                document=pb.Document(id="a", content=b"x", passages=[pb.Passage(text="x")]),
            )
        ],
        "document.passages",
    ),
]


@pytest.mark.parametrize(("requests", "field"), BAD_UPSERTS)
async def test_a_bad_stream_names_its_field(node: Node, requests: list[pb.UpsertRequest], field: str) -> None:
    await stub(node).CreateCollection(pb.CreateCollectionRequest(name="docs"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub(node).Upsert(iter(requests))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(caught.value).info.metadata["field"] == field


async def test_an_unknown_collection_is_not_found(node: Node) -> None:
    for call in (
        stub(node).Search(pb.SearchRequest(collection="none", query="x")),
        stub(node).Upsert(upserts(DOCUMENT, collection="none")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert details_of(caught.value).info.reason == "COLLECTION_NOT_FOUND"


async def test_a_client_that_vanishes_leaves_whole_documents(node: Node) -> None:
    await stub(node).CreateCollection(pb.CreateCollectionRequest(name="docs", words_only=True))

    async def forever() -> AsyncIterator[pb.UpsertRequest]:
        yield pb.UpsertRequest(collection="docs", document=DOCUMENT)
        yield pb.UpsertRequest(document=pb.Document(id="b.txt", content=b"half of"))
        await asyncio.Event().wait()

    call = stub(node).Upsert(forever())
    while not (await stub(node).GetCollection(pb.GetCollectionRequest(name="docs"))).collection.num_documents:
        pass
    call.cancel()
    info = (await stub(node).GetCollection(pb.GetCollectionRequest(name="docs"))).collection
    assert info.num_documents == 1


async def test_a_node_without_collections_has_no_such_service() -> None:
    async with running(FakeService(), settings()) as node:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(node).ListCollections(pb.ListCollectionsRequest())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


# ---- rights

POLICY = """
[default]
collections = ["docs", "mine*"]

[operator]
admin = true
"""


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Node]:
    policy, tokens = tmp_path / "policy.toml", tmp_path / "tokens"
    policy.write_text(POLICY)
    names = ("operator", "alice", "bob")
    tokens.write_text("".join(f'{name} = ["{hash_of(name * 8)}"]\n' for name in names))
    async with with_collections(tmp_path, tokens_file=str(tokens), policy_file=str(policy)) as node:
        yield node


async def asks(node: Node, who: str, method: str, request: Any) -> Any:
    metadata = (("authorization", f"Bearer {who * 8}"),)
    return await getattr(stub(node), method)(request, metadata=metadata)


async def test_a_shared_collection_is_changed_by_administrators_only(guarded: Node) -> None:
    shared = pb.CreateCollectionRequest(name="docs", shared=True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asks(guarded, "alice", "CreateCollection", shared)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert details_of(caught.value).info.reason == "COLLECTION_NOT_ALLOWED"
    await asks(guarded, "operator", "CreateCollection", shared)
    await asks(guarded, "operator", "Upsert", upserts(pb.Document(id="fan.md", content=PAGE)))
    found = await asks(guarded, "alice", "Search", pb.SearchRequest(collection="docs", query="fan"))
    assert found.hits
    for method, request in (
        ("Upsert", upserts(DOCUMENT)),
        ("Delete", pb.DeleteRequest(collection="docs", ids=["fan.md"])),
        ("DeleteCollection", pb.DeleteCollectionRequest(name="docs")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asks(guarded, "alice", method, request)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_principals_collection_is_its_own(guarded: Node) -> None:
    await asks(guarded, "alice", "CreateCollection", pb.CreateCollectionRequest(name="mine-1"))
    await asks(guarded, "alice", "Upsert", upserts(DOCUMENT, collection="mine-1"))
    listed = await asks(guarded, "bob", "ListCollections", pb.ListCollectionsRequest())
    assert not listed.collections
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asks(guarded, "bob", "Search", pb.SearchRequest(collection="mine-1", query="text"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asks(guarded, "alice", "GetCollection", pb.GetCollectionRequest(name="others"))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


# ---- Generate


async def with_sources(request: Request) -> AsyncGenerator[Event, None]:
    source = Source(1, "docs", "fan.md", "Fan", 6, 44, 0.75, "sha256:ab")
    yield replace(started(request), sources=(source,))
    yield Chunk("A technician [1].", 1)
    yield replace(FINISHED, cited=(1,))


def asked(**fields: Any) -> inference_pb2.GenerateRequest:
    chat = inference_pb2.Chat(messages=[inference_pb2.Message(role="user", content="Who?")])
    return inference_pb2.GenerateRequest(
        chat=chat, retrieval=inference_pb2.Retrieval(collection="docs", **fields)
    )


async def test_what_generate_asks_of_a_collection_arrives(node: Node) -> None:
    node.service.script = with_sources
    request = asked(
        top_k=7,
        min_score=0.25,
        filter=struct({"kind": ["a", "b"], "year": {"at_least": 2020, "not": 2022}}),
        max_context_tokens=200,
        on_nothing=inference_pb2.NOTHING_FOUND_ABSTAIN,
        query="fan",
    )
    events = [event async for event in node.inference.Generate(request)]
    assert node.service.requests[0].retrieval == Grounding(
        "docs",
        7,
        0.25,
        (
            Condition("kind", one_of=("a", "b")),
            Condition("year", none_of=(2022.0,), at_least=2020.0),
        ),
        200,
        NothingFound.ABSTAIN,
        "fan",
    )
    (source,) = events[0].started.sources
    assert (source.number, source.document, source.start, source.score) == (1, "fan.md", 6, 0.75)
    assert (source.collection, source.digest) == ("docs", "sha256:ab")
    assert list(events[-1].finished.cited_sources) == [1]
    assert not events[-1].finished.abstained


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"top_k": 21}, "retrieval.top_k"),
        ({"min_score": 1.5}, "retrieval.min_score"),
        ({"max_context_tokens": 1}, "retrieval.max_context_tokens"),
        ({"on_nothing": 9}, "retrieval.on_nothing"),
        ({"filter": struct({"a": {"like": "x"}})}, "retrieval.filter.a"),
        ({"filter": NOT_FINITE}, "retrieval.filter"),
        ({"query": "x" * 9000}, "retrieval.query"),
    ],
)
async def test_a_bad_wish_names_its_field(node: Node, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [event async for event in node.inference.Generate(asked(**fields))]
    assert details_of(caught.value).info.metadata["field"] == field


async def test_a_policy_counts_for_answers_too(guarded: Node) -> None:
    request = asked()
    request.retrieval.collection = "secret"
    metadata = (("authorization", f"Bearer {'alice' * 8}"),)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [event async for event in guarded.inference.Generate(request, metadata=metadata)]
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
