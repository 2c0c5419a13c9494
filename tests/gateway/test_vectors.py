"""Embeddings and reranking in the dialects of OpenAI, NIM, Cohere and Jina."""

import base64
from array import array
from typing import Any

import pytest

from tests.fake_embedding import DIMENSIONS, MODEL, vector_of
from tests.gateway.gateways import Gateway
from xapp.domain.embedding import TextRole, Truncation
from xapp.domain.messages import Priority
from xapp.errors import FailedPrecondition

EMBEDDINGS, RERANK, RANKING = "/v1/embeddings", "/v1/rerank", "/v1/ranking"
ASK: dict[str, Any] = {"query": "cell down", "documents": ["the fan is loud", {"text": "a cell is down"}]}


async def test_embeddings(gateway: Gateway) -> None:
    answer = await gateway.post(EMBEDDINGS, {"model": MODEL, "input": ["a cell", "is down"]})
    assert answer.status == 200
    assert (answer.body["object"], answer.body["model"]) == ("list", MODEL)
    assert answer.body["usage"] == {"prompt_tokens": 4, "total_tokens": 4, "lost_tokens": 0}
    for index, text in enumerate(("a cell", "is down")):
        data = answer.body["data"][index]
        assert (data["object"], data["index"]) == ("embedding", index)
        assert data["embedding"] == pytest.approx(vector_of(text))


async def test_a_single_text_in_base64(gateway: Gateway) -> None:
    body = {"input": "a cell", "encoding_format": "base64", "dimensions": 8, "user": "me"}
    (data,) = (await gateway.post(EMBEDDINGS, body)).body["data"]
    assert list(array("f", base64.b64decode(data["embedding"]))) == pytest.approx(vector_of("a cell", 8))
    (asked,) = gateway.service.vectors.embedded
    assert (asked.dimensions, asked.caller.client) == (8, "me")


async def test_the_fields_of_nim_and_of_this_service(gateway: Gateway) -> None:
    fields = {"input_type": "query", "truncate": "END", "priority": "batch", "deadline_ms": 5000}
    await gateway.post(EMBEDDINGS, {"input": ["a"], "modality": "text", **fields})
    (asked,) = gateway.service.vectors.embedded
    assert (asked.role, asked.truncation) == (TextRole.QUERY, Truncation.END)
    assert asked.caller.priority is Priority.BATCH
    assert asked.caller.deadline is not None


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid_argument", "input"),
        ({"input": [1, 2]}, "invalid_argument", "input[0]"),
        ({"input": [[1]]}, "invalid_argument", "input[0]"),
        ({"input": "a", "encoding_format": "int8"}, "invalid_argument", "encoding_format"),
        ({"input": "a", "truncate": "MIDDLE"}, "invalid_argument", "truncate"),
        ({"input": "a", "input_type": "x"}, "invalid_argument", "input_type"),
        ({"input": "a", "dimensions": 0}, "invalid_argument", "dimensions"),
        ({"input": "a", "modality": "image"}, "unsupported_field", "modality"),
        ({"input": "a", "inputs": "b"}, "unknown_field", "inputs"),
        ({"input": ["a", ""]}, "invalid_argument", "input[1]"),
    ],
)
async def test_what_is_refused(gateway: Gateway, body: dict[str, Any], code: str, field: str) -> None:
    assert (await gateway.post(EMBEDDINGS, body)).error == (400, code, field)


async def test_rerank(gateway: Gateway) -> None:
    answer = await gateway.post(RERANK, ASK | {"top_n": 1, "return_documents": True})
    (first,) = answer.body["results"]
    assert (first["index"], first["document"]) == (1, {"text": "a cell is down"})
    assert 0 < first["relevance_score"] <= 1
    assert (answer.body["method"], answer.body["model"]) == ("cosine", MODEL)
    assert answer.body["usage"]["total_tokens"] == 2
    plain = await gateway.post(RERANK, ASK)
    assert [set(each) for each in plain.body["results"]] == [{"index", "relevance_score"}] * 2


async def test_ranking(gateway: Gateway) -> None:
    passages = [{"text": "the fan is loud"}, {"text": "a cell is down"}]
    body = {"query": {"text": "cell down"}, "passages": passages, "truncate": "NONE"}
    answer = await gateway.post(RANKING, body)
    assert [each["index"] for each in answer.body["rankings"]] == [1, 0]
    assert all(set(each) == {"index", "logit"} for each in answer.body["rankings"])
    assert gateway.service.vectors.reranked[0].truncation is Truncation.NONE


async def test_a_node_without_a_model_for_it(gateway: Gateway) -> None:
    gateway.service.vectors.error = FailedPrecondition("no model", reason="NO_EMBEDDING_MODEL")
    answer = await gateway.post(EMBEDDINGS, {"input": "a"})
    assert answer.error == (422, "no_embedding_model", None)


async def test_many_vectors_are_one_valid_body(gateway: Gateway) -> None:
    answer = await gateway.post(EMBEDDINGS, {"input": ["a cell"] * 200})
    assert [each["index"] for each in answer.body["data"]] == list(range(200))
    assert all(len(each["embedding"]) == DIMENSIONS for each in answer.body["data"])
