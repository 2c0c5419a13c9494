"""The client's vectors and rankings: what is asked arrives, and vectors are numbers."""

from collections.abc import AsyncIterator

import pytest

from tests.scripted_node import ScriptedNode, scripted_node
from xapp.client import Client
from xapp.client.vectors import unpacked
from xapp.inference.v1 import embedding_pb2 as pb
from xapp.inference.v1.inference_pb2 import PRIORITY_BATCH


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Client, ScriptedNode]]:
    with scripted_node() as node:
        async with Client(node.target) as client:
            yield client, node


async def test_vectors_are_asked_packed(pair: tuple[Client, ScriptedNode]) -> None:
    client, node = pair
    vectors = await client.embed(
        ["a", "bcd"], model="m", role=pb.TEXT_ROLE_PASSAGE, dimensions=2, priority=PRIORITY_BATCH
    )
    assert [list(each) for each in vectors] == [[1.0, 1.0], [3.0, 1.0]]
    (asked,) = node.embedded
    assert asked.encoding == pb.VECTOR_ENCODING_PACKED
    assert (asked.role, asked.dimensions, asked.priority) == (pb.TEXT_ROLE_PASSAGE, 2, PRIORITY_BATCH)
    assert asked.normalize


async def test_numbers_are_read_as_well(pair: tuple[Client, ScriptedNode]) -> None:
    client, _ = pair
    response = await client.embed_request(pb.EmbedRequest(texts=["ab"]))
    assert list(response.embeddings[0].values) == list(unpacked(response.embeddings[0])) == [2.0, 1.0]


async def test_documents_come_sorted(pair: tuple[Client, ScriptedNode]) -> None:
    client, node = pair
    response = await client.rerank("q", ["a", "abc", "ab"], top_n=2)
    assert [each.index for each in response.documents] == [1, 2]
    assert node.reranked[0].query == "q"
