"""EmbeddingService on the wire: every field arrives, every answer leaves, bad values name their field."""

from array import array
from typing import Any

import grpc
import pytest

from tests.fake_embedding import DIGEST, DIMENSIONS, MODEL, vector_of
from tests.server.conftest import Node, running, settings
from tests.server.fake_service import FakeService
from tests.server.rich import details_of
from xapp.domain.embedding import TextRole, Truncation
from xapp.domain.messages import Priority
from xapp.errors import Exhausted
from xapp.inference.v1 import embedding_pb2 as pb
from xapp.inference.v1 import embedding_pb2_grpc
from xapp.inference.v1.inference_pb2 import PRIORITY_BATCH


def stub(node: Node) -> Any:
    return embedding_pb2_grpc.EmbeddingServiceStub(node.channel)


async def test_everything_asked_arrives(node: Node) -> None:
    request = pb.EmbedRequest(
        model=MODEL,
        texts=["a", "b"],
        role=pb.TEXT_ROLE_QUERY,
        truncation=pb.TRUNCATION_START,
        normalize=False,
        dimensions=32,
        priority=PRIORITY_BATCH,
        correlation_id="me-1",
    )
    await stub(node).Embed(request, timeout=30)
    (asked,) = node.service.vectors.embedded
    assert (asked.texts, asked.model, asked.role) == (("a", "b"), MODEL, TextRole.QUERY)
    assert (asked.truncation, asked.normalized, asked.dimensions) == (Truncation.START, False, 32)
    assert (asked.caller.priority, asked.caller.correlation_id) == (Priority.BATCH, "me-1")
    assert asked.caller.deadline is not None


async def test_defaults(node: Node) -> None:
    await stub(node).Embed(pb.EmbedRequest(texts=["a"]))
    (asked,) = node.service.vectors.embedded
    assert (asked.role, asked.truncation, asked.normalized) == (TextRole.PLAIN, Truncation.NONE, True)
    assert (asked.dimensions, asked.caller.priority) == (None, Priority.INTERACTIVE)
    await stub(node).Rerank(pb.RerankRequest(query="a", documents=["b"]))
    (ranked,) = node.service.vectors.reranked
    assert (ranked.truncation, ranked.top_n) == (Truncation.END, None)


async def test_vectors_come_as_numbers_or_packed(node: Node) -> None:
    texts = ["the cell is down"] * 130
    floats = await stub(node).Embed(pb.EmbedRequest(texts=texts))
    packed = await stub(node).Embed(pb.EmbedRequest(texts=texts, encoding=pb.VECTOR_ENCODING_PACKED))
    expected = list(array("f", vector_of(texts[0])))
    assert len(floats.embeddings) == len(packed.embeddings) == 130
    assert list(floats.embeddings[129].values) == expected
    assert list(array("f", packed.embeddings[129].packed)) == expected
    assert not packed.embeddings[0].values
    assert (floats.model, floats.model_digest, floats.dimensions) == (MODEL, DIGEST, DIMENSIONS)
    assert (floats.embeddings[0].num_tokens, floats.num_tokens) == (4, 520)


async def test_documents_come_sorted_with_the_method(node: Node) -> None:
    documents = ["the fan is loud", "a cell is down", "cell down"]
    response = await stub(node).Rerank(pb.RerankRequest(query="cell down", documents=documents, top_n=2))
    assert [each.index for each in response.documents] == [2, 1]
    assert response.documents[0].score >= response.documents[1].score
    assert response.method == pb.RERANK_METHOD_COSINE


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("Embed", pb.EmbedRequest(texts=["a"], role=9), "role"),  # type: ignore[arg-type]
        ("Embed", pb.EmbedRequest(texts=["a"], truncation=9), "truncation"),  # type: ignore[arg-type]
        ("Embed", pb.EmbedRequest(texts=["a"], encoding=9), "encoding"),  # type: ignore[arg-type]
        ("Embed", pb.EmbedRequest(texts=["a"], dimensions=0), "dimensions"),
        ("Embed", pb.EmbedRequest(texts=["a"], priority=9), "priority"),  # type: ignore[arg-type]
        ("Embed", pb.EmbedRequest(texts=[""]), "texts[0]"),
        ("Rerank", pb.RerankRequest(query="a", documents=["b"], truncation=9), "truncation"),  # type: ignore[arg-type]
    ],
)
async def test_bad_values_name_their_field(node: Node, method: str, request_: Any, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub(node), method)(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(caught.value).info.metadata["field"] == field


async def test_100_000_texts_are_refused_unread(node: Node) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub(node).Embed(pb.EmbedRequest(texts=["a"] * 100_000))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not node.service.vectors.embedded


async def test_vectors_that_no_message_has_room_for_are_not_computed() -> None:
    async with running(FakeService(), settings(max_message_bytes=16_384)) as node:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(node).Embed(pb.EmbedRequest(texts=["a"] * 100))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "room for 51 vectors of 64 numbers" in (caught.value.details() or "")
        assert not node.service.vectors.embedded
        assert (await stub(node).Embed(pb.EmbedRequest(texts=["a"] * 51))).dimensions == DIMENSIONS


async def test_an_error_of_the_service_keeps_its_code(node: Node) -> None:
    node.service.vectors.error = Exhausted("full", retry_after_s=2.0)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub(node).Embed(pb.EmbedRequest(texts=["a"]))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details_of(caught.value).retry is not None
