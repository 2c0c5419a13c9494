"""Embed and Rerank on real workers with the fake backend: limits, prefixes, cuts, classes, methods."""

import asyncio
from array import array
from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio

from tests.flat_settings import flat_settings
from tests.workers.workers import until
from xapp.backend.byte_vocab import BOS, EOS
from xapp.backend.fake_embedder import DIMENSIONS, score_of, vector_of
from xapp.domain.embedding import (
    MAX_TEXT_BYTES,
    MAX_TEXTS,
    Caller,
    EmbedRequest,
    RerankMethod,
    RerankRequest,
    TextRole,
    Truncation,
    pack,
)
from xapp.domain.kinds import Capability
from xapp.domain.messages import Priority
from xapp.domain.requests import Request
from xapp.errors import (
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    ModelError,
    NotFound,
    XappError,
)
from xapp.service.rerank import cosines, logistic
from xapp.service.service import NodeService
from xapp.service.vectors import _split

LENGTH = 100
"""Tokens that the models read, special tokens included."""
QUOTAS = '{"me": {"tokens_per_s": 1, "burst_s": 10}}'
OWN: dict[str, dict[str, Any]] = {
    "vectors": {
        "kind": "embedding",
        "query_prefix": "q: ",
        "passage_prefix": "p: ",
        "min_dimensions": 4,
    },
    "plain": {"kind": "embedding"},
    "ranker": {"kind": "reranker"},
}


def settings(**values: Any) -> Any:
    defaults: dict[str, Any] = {
        "model": "fake",
        "backend": "fake",
        "models": "vectors,plain,ranker",
        "context_length": LENGTH,
        "pin_tasks": False,
        "deadline_admission": False,
        "own": OWN,
    }
    return flat_settings(**(defaults | values))


async def wait_for_all(node: NodeService) -> None:
    await node.wait_ready()
    await until(lambda: all(each.state == "ready" for each in node.list_models()) and len(node.samples()) > 0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[NodeService]:
    async with NodeService(settings()) as node:
        await wait_for_all(node)
        yield node


pytestmark = pytest.mark.asyncio(loop_scope="module")


def values(vector: bytes) -> list[float]:
    return list(array("f", vector))


def expected(text: str) -> list[float]:
    return values(pack(vector_of([BOS, *text.encode(), EOS])))


async def error_of(work: Any) -> XappError:
    with pytest.raises(XappError) as caught:
        await work
    return caught.value


# ---- embed


async def test_each_text_has_its_vector(node: NodeService) -> None:
    texts = ("a cell", "is down", "é")
    result = await node.embed(EmbedRequest(texts, "plain", normalized=False))
    assert [values(each.vector) for each in result.texts] == [expected(text) for text in texts]
    assert [each.num_tokens for each in result.texts] == [8, 9, 4]
    assert (result.model, result.dimensions, result.num_tokens) == ("plain", DIMENSIONS, 21)
    assert result.model_digest == node.get_model("plain").digest
    assert result.queue_s >= 0


async def test_normalized_vectors_have_length_1_and_may_be_cut(node: NodeService) -> None:
    result = await node.embed(EmbedRequest(("a cell",), "vectors", dimensions=5))
    vector = values(result.texts[0].vector)
    assert len(vector) == result.dimensions == 5
    assert sum(each * each for each in vector) == pytest.approx(1)


async def test_a_model_wants_prefixes(node: NodeService) -> None:
    for role, prefix in ((TextRole.QUERY, "q: "), (TextRole.PASSAGE, "p: "), (TextRole.PLAIN, "")):
        result = await node.embed(EmbedRequest(("load",), role=role, normalized=False))
        assert result.model == "vectors", "the first embedding model is the default"
        assert values(result.texts[0].vector) == expected(f"{prefix}load")


async def test_a_long_text_is_refused_or_cut_and_the_loss_is_told(node: NodeService) -> None:
    text = "".join(chr(ord("a") + place % 26) for place in range(150))
    room = LENGTH - 2 - len("p: ")
    ask = EmbedRequest((text,), role=TextRole.PASSAGE, normalized=False)
    error = await error_of(node.embed(ask))
    assert (error.reason, error.metadata) == ("TEXT_TOO_LONG", {"field": "texts[0]"})
    end = await node.embed(replace(ask, truncation=Truncation.END))
    assert values(end.texts[0].vector) == expected(f"p: {text[:room]}")
    start = await node.embed(replace(ask, truncation=Truncation.START))
    assert values(start.texts[0].vector) == expected(f"p: {text[-room:]}"), "the prefix stays"
    for result in (end, start):
        assert (result.texts[0].num_tokens, result.texts[0].num_lost_tokens) == (LENGTH, 150 - room)


async def test_marks_in_a_text_are_text(node: NodeService) -> None:
    marks = "<|eos|><|im_start|>system"
    result = await node.embed(EmbedRequest((marks,), "plain", normalized=False))
    assert result.texts[0].num_tokens == len(marks) + 2


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (EmbedRequest(()), "texts"),
        (EmbedRequest(("a",) * (MAX_TEXTS + 1)), "texts"),
        (EmbedRequest(("a",) * 100_000), "texts"),
        (EmbedRequest(("a", "")), "texts[1]"),
        (EmbedRequest(("a" * (MAX_TEXT_BYTES + 1),)), "texts"),
        (EmbedRequest(("a",), "vectors", dimensions=3), "dimensions"),
        (EmbedRequest(("a",), "vectors", dimensions=17), "dimensions"),
        (EmbedRequest(("a",), "plain", dimensions=8), "dimensions"),
    ],
    ids=["none", "many", "100,000", "empty", "8 MB", "too few", "too many", "not trained for it"],
)
async def test_bad_requests_name_their_field(node: NodeService, request_: EmbedRequest, field: str) -> None:
    error = await error_of(node.embed(request_))
    assert isinstance(error, InvalidArgument)
    assert error.field == field


async def test_each_kind_answers_its_own_requests(node: NodeService) -> None:
    assert (await error_of(node.embed(EmbedRequest(("a",), "fake")))).reason == "UNSUPPORTED_MODEL"
    assert (await error_of(node.embed(EmbedRequest(("a",), "ranker")))).reason == "UNSUPPORTED_MODEL"
    assert isinstance(await error_of(node.embed(EmbedRequest(("a",), "nobody"))), NotFound)
    refused = await error_of(anext(node.generate(Request("hi", model="vectors"))))
    assert isinstance(refused, ModelError)
    assert "generates no text" in refused.message
    info = node.get_model("vectors").info
    assert info is not None
    assert (info.kind, info.dimensions) == ("embedding", DIMENSIONS)


async def test_a_node_without_an_embedding_model_says_what_to_do() -> None:
    async with NodeService(settings(models="")) as alone:
        await alone.wait_ready()
        error = await error_of(alone.embed(EmbedRequest(("a",))))
        assert isinstance(error, FailedPrecondition)
        assert error.reason == "NO_EMBEDDING_MODEL"
        assert alone.name_for(Capability.EMBED) == ""
        assert alone.name_for(Capability.RANK) == "fake"


async def test_many_callers_at_once_do_not_mix(node: NodeService) -> None:
    async def one(number: int) -> None:
        texts = tuple(f"{number} of {each}" for each in range(number % 9 + 1))
        priority = list(Priority)[number % 3]
        ask = EmbedRequest(texts, "plain", normalized=False, caller=Caller(priority=priority))
        result = await node.embed(ask)
        assert [values(each.vector) for each in result.texts] == [expected(text) for text in texts]

    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(one(number))


async def test_a_passed_deadline_and_a_cancel(node: NodeService) -> None:
    late = Caller(deadline=monotonic() - 1)
    assert isinstance(await error_of(node.embed(EmbedRequest(("a",), caller=late))), DeadlineExceeded)
    task = asyncio.create_task(node.embed(EmbedRequest(("a" * 90,) * MAX_TEXTS, "plain")))
    await until(lambda: _stats(node, "plain").num_running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: _stats(node, "plain").num_running == 0)


def _stats(node: NodeService, model: str) -> Any:
    return next(sample.stats for sample in node.samples() if sample.name == model)


async def test_quotas_count_the_tokens_of_texts() -> None:
    async with NodeService(settings(models="plain", quotas=QUOTAS)) as node:
        await wait_for_all(node)
        caller = Caller(client="me")
        ask = EmbedRequest(("a" * 50,), caller=caller)
        await node.embed(ask)
        error = await error_of(node.embed(ask))
        assert isinstance(error, Exhausted)
        assert error.retry_after_s


async def test_a_vector_that_is_not_finite_is_never_sent() -> None:
    with pytest.raises(ModelError) as caught:
        await _split(pack([1.0, 2.0]) + pack([float("nan"), 1.0]), 2, "m")
    assert caught.value.reason == "NOT_FINITE"
    assert await _split(pack([1.0, 2.0]), 1, "m") == [pack([1.0, 2.0])]


# ---- rerank

DOCUMENTS = ("xyz", "load is high", "a load")


async def test_a_reranker_reads_pairs(node: NodeService) -> None:
    result = await node.rerank(RerankRequest("load", DOCUMENTS))
    assert (result.model, result.method) == ("ranker", RerankMethod.CROSS_ENCODER)
    scores = [score_of([BOS, *b"load", EOS, *each.encode(), EOS]) for each in DOCUMENTS]
    found = {each.index: each for each in result.documents}
    assert [found[index].score for index in range(3)] == scores
    assert [each.score for each in result.documents] == sorted(scores, reverse=True)
    assert all(each.relevance == pytest.approx(logistic(each.score)) for each in result.documents)
    assert found[0].num_tokens == 4 + 3 + 3


async def test_an_embedding_model_compares_vectors(node: NodeService) -> None:
    result = await node.rerank(RerankRequest("load", DOCUMENTS, model="plain", top_n=2))
    assert result.method is RerankMethod.COSINE
    query, *others = [
        each.vector for each in (await node.embed(EmbedRequest(("load", *DOCUMENTS), "plain"))).texts
    ]
    expected_scores = sorted(cosines(query, others), reverse=True)
    assert [each.score for each in result.documents] == pytest.approx(expected_scores[:2])


async def test_a_language_model_says_how_likely_the_query_is(node: NodeService) -> None:
    result = await node.rerank(RerankRequest("lo", ("abc", "xyz"), model="fake"))
    assert result.method is RerankMethod.QUERY_LIKELIHOOD
    assert sorted(each.index for each in result.documents) == [0, 1]
    assert all(0 <= each.relevance <= 1 and each.score <= 0 for each in result.documents)


async def test_a_document_loses_its_end_and_the_query_stays(node: NodeService) -> None:
    result = await node.rerank(RerankRequest("load", ("a" * 200,), model="ranker"))
    (document,) = result.documents
    assert (document.num_tokens, document.num_lost_tokens) == (LENGTH, 200 - (LENGTH - 4 - 3))
    ask = RerankRequest("load", ("a" * 200,), model="ranker", truncation=Truncation.NONE)
    error = await error_of(node.rerank(ask))
    assert (error.reason, error.metadata) == ("TEXT_TOO_LONG", {"field": "documents[0]"})


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (RerankRequest("", ("a",)), "query"),
        (RerankRequest("q", ()), "documents"),
        (RerankRequest("q", ("a", "")), "documents[1]"),
        (RerankRequest("q", ("a",), top_n=0), "top_n"),
        (RerankRequest("q" * 200, ("a",), model="ranker"), "query"),
        (RerankRequest("q", ("a",) * 65, model="fake"), "documents"),
        (RerankRequest("q", ("a",) * 100_000), "documents"),
    ],
)
async def test_bad_rankings_name_their_field(node: NodeService, request_: RerankRequest, field: str) -> None:
    error = await error_of(node.rerank(request_))
    assert isinstance(error, InvalidArgument)
    assert error.field == field
