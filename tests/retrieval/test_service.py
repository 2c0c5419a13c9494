"""RetrievalService on files, with a fake embedding model."""

import asyncio
import threading
from array import array
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from tests.fake_embedding import DIGEST, DIMENSIONS, MODEL, FakeEmbedding
from xapp.config import RetrievalSettings
from xapp.domain.collection import CollectionSpec
from xapp.domain.documents import Document, Outcome, Passage
from xapp.domain.embedding import Caller, TextRole
from xapp.domain.metadata import Condition
from xapp.domain.search import SearchMode, SearchRequest
from xapp.errors import (
    AlreadyExists,
    ConfigError,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
    XappError,
)
from xapp.retrieval.service import RetrievalService, make_stores
from xapp.retrieval.shelf import TRY_AGAIN_S, Shelf

ME, YOU, ALL = Caller(scope="principal me"), Caller(scope="principal you"), Caller()
PAGE = b"# RIC\nThe node registers with the RIC.\n# Fan\nA technician replaces the broken fan.\n"


@pytest.fixture
def embedding() -> FakeEmbedding:
    return FakeEmbedding()


@pytest.fixture
def settings(tmp_path: Path) -> RetrievalSettings:
    return RetrievalSettings(folder=str(tmp_path))


@pytest.fixture
async def service(settings: RetrievalSettings, embedding: FakeEmbedding) -> AsyncIterator[RetrievalService]:
    service = RetrievalService(settings, embedding)
    service.start()
    yield service
    await service.aclose()


def page(name: str = "page.md", content: bytes = PAGE, **fields: object) -> Document:
    return replace(Document(name, content=content), **fields)  # type: ignore[arg-type]


async def filled(service: RetrievalService, caller: Caller = ALL) -> None:
    await service.create(CollectionSpec("docs"), caller)
    await service.upsert("docs", page(metadata={"year": 2024.0}), caller)
    await service.upsert("docs", page("bill.md", b"# Billing\nBills go out at night."), caller)


async def test_a_question_finds_its_passage(service: RetrievalService, embedding: FakeEmbedding) -> None:
    await filled(service)
    result = await service.search(SearchRequest("docs", "Who replaces the fan?"))
    hit = result.hits[0]
    assert (hit.document, hit.title, hit.text) == ("page.md", "Fan", "A technician replaces the broken fan.")
    assert PAGE[hit.start : hit.end].decode() == hit.text
    assert hit.metadata == {"year": 2024.0}
    assert hit.score == hit.cosine is not None
    assert hit.bm25 is not None
    assert hit.bm25 > 0
    assert result.mode is SearchMode.HYBRID
    assert [each.role for each in embedding.embedded[-1:]] == [TextRole.QUERY]
    assert embedding.embedded[1].texts[0] == "RIC\nThe node registers with the RIC."


async def test_each_mode_searches_its_way(service: RetrievalService) -> None:
    await filled(service)
    words = await service.search(SearchRequest("docs", "technician", mode=SearchMode.WORDS))
    assert [hit.cosine for hit in words.hits] == [None]
    assert 0 < words.hits[0].score < 1
    vectors = await service.search(SearchRequest("docs", "technician", mode=SearchMode.VECTORS))
    assert len(vectors.hits) == 3
    assert all(hit.bm25 is None for hit in vectors.hits)


async def test_the_least_score_and_a_filter_leave_out(service: RetrievalService) -> None:
    await filled(service)
    assert not (await service.search(SearchRequest("docs", "quantum gravity", min_score=0.5))).hits
    result = await service.search(
        SearchRequest("docs", "night bills fan", filter=(Condition("year", one_of=(2024.0,)),))
    )
    assert {hit.document for hit in result.hits} == {"page.md"}


async def test_a_reranker_sorts_again(service: RetrievalService) -> None:
    await filled(service)
    result = await service.search(SearchRequest("docs", "Who replaces the fan?", rerank=True, top_k=2))
    assert result.rerank_method == "cosine"
    assert len(result.hits) == 2
    relevance = [hit.relevance for hit in result.hits]
    assert relevance == sorted(relevance, key=lambda each: -(each or 0))
    assert result.hits[0].score == result.hits[0].relevance


async def test_a_document_that_comes_again_costs_nothing(
    service: RetrievalService, embedding: FakeEmbedding
) -> None:
    await filled(service)
    asked = len(embedding.embedded)
    result = await service.upsert("docs", page(metadata={"year": 2024.0}), ALL)
    assert (result.outcome, result.num_passages) == (Outcome.UNCHANGED, 2)
    assert len(embedding.embedded) == asked
    changed = await service.upsert("docs", page(metadata={"year": 2025.0}), ALL)
    assert changed.outcome is Outcome.REPLACED
    assert changed.digest == result.digest
    assert (await service.get("docs", "")).num_passages == 3


async def test_what_cannot_be_read_is_skipped_and_the_old_stays(service: RetrievalService) -> None:
    await filled(service)
    result = await service.upsert("docs", page(content=b"caf\xe9"), ALL)
    assert (result.outcome, result.reason) == (Outcome.SKIPPED, "BAD_ENCODING")
    assert (await service.search(SearchRequest("docs", "technician"))).hits[0].document == "page.md"


async def test_a_collection_belongs_to_a_scope(service: RetrievalService) -> None:
    await filled(service, ME)
    with pytest.raises(NotFound) as caught:
        await service.search(SearchRequest("docs", "fan", caller=YOU))
    assert caught.value.reason == "COLLECTION_NOT_FOUND"
    assert [each.name for each in await service.list(YOU.scope)] == []
    await service.create(CollectionSpec("docs"), YOU)
    assert (await service.get("docs", YOU.scope)).num_passages == 0
    assert (await service.get("docs", ME.scope)).num_passages == 3
    with pytest.raises(NotFound):
        await service.drop("docs", "principal nobody")


async def test_a_shared_collection_is_there_for_all(service: RetrievalService) -> None:
    await service.create(CollectionSpec("docs", shared=True), ME)
    await service.upsert("docs", page(), ME)
    for caller in (YOU, ALL):
        assert (await service.search(SearchRequest("docs", "fan", caller=caller))).hits
    with pytest.raises(AlreadyExists):
        await service.create(CollectionSpec("docs"), YOU)


@pytest.mark.parametrize("name", ["", "Docs", "a/b", "..", "a" * 65, "a@b", "-a", ".a", "a\n"])
async def test_a_name_is_no_path(service: RetrievalService, name: str) -> None:
    with pytest.raises(InvalidArgument, match="name"):
        await service.create(CollectionSpec(name), ALL)


async def test_another_model_is_refused(service: RetrievalService, embedding: FakeEmbedding) -> None:
    await filled(service)
    embedding.digest = "sha256:" + "0" * 64
    for call in (
        service.search(SearchRequest("docs", "fan")),
        service.upsert("docs", page("new.md"), ALL),
    ):
        with pytest.raises(FailedPrecondition) as caught:
            await call
        assert caught.value.reason == "EMBEDDING_DIFFERS"
        assert caught.value.metadata["has"] == DIGEST
    # Words need no vectors.
    assert (await service.search(SearchRequest("docs", "fan", mode=SearchMode.WORDS))).hits


def cut(vector: list[float], digest: str = DIGEST) -> Document:
    passages = (Passage("a text of the caller", "Title", 0, 20, array("f", vector).tobytes()),)
    return Document("own", passages=passages, embedding_digest=digest)


async def test_vectors_of_the_caller_are_taken(service: RetrievalService, embedding: FakeEmbedding) -> None:
    await service.create(CollectionSpec("docs"), ALL)
    asked = len(embedding.embedded)
    result = await service.upsert("docs", cut([3e38] + [0.0] * (DIMENSIONS - 1)), ALL)
    assert result.outcome is Outcome.ADDED
    assert len(embedding.embedded) == asked


@pytest.mark.parametrize(
    ("vector", "match"),
    [
        ([nan] * DIMENSIONS, "not finite"),
        ([inf] + [1.0] * (DIMENSIONS - 1), "not finite"),
        ([0.0] * DIMENSIONS, "is zero"),
        ([1.0] * (DIMENSIONS + 1), f"has {DIMENSIONS + 1} numbers"),
    ],
)
async def test_vectors_that_are_none_are_refused(
    service: RetrievalService, vector: list[float], match: str
) -> None:
    await service.create(CollectionSpec("docs"), ALL)
    with pytest.raises(InvalidArgument, match=match) as caught:
        await service.upsert("docs", cut(vector), ALL)
    assert caught.value.field == "document.passages[0].vector"
    assert (await service.get("docs", "")).num_documents == 0


async def test_vectors_of_an_unnamed_model_are_refused(service: RetrievalService) -> None:
    await service.create(CollectionSpec("docs"), ALL)
    with pytest.raises(FailedPrecondition, match="unnamed"):
        await service.upsert("docs", cut([1.0] * DIMENSIONS, ""), ALL)


async def test_words_alone_need_no_model(service: RetrievalService, embedding: FakeEmbedding) -> None:
    embedding.error = Unavailable("no model")
    await service.create(CollectionSpec("docs", embedding_model=None), ALL)
    await service.upsert("docs", page(), ALL)
    result = await service.search(SearchRequest("docs", "Who replaces the fan?"))
    assert result.mode is SearchMode.WORDS
    assert result.hits[0].title == "Fan"
    with pytest.raises(InvalidArgument, match="mode"):
        await service.search(SearchRequest("docs", "fan", mode=SearchMode.VECTORS))


async def test_a_model_that_fails_stores_nothing(service: RetrievalService, embedding: FakeEmbedding) -> None:
    await service.create(CollectionSpec("docs"), ALL)
    embedding.error = Unavailable("lost")
    with pytest.raises(Unavailable):
        await service.upsert("docs", page(), ALL)
    assert (await service.get("docs", "")).num_documents == 0


async def test_limits_are_kept(settings: RetrievalSettings, embedding: FakeEmbedding) -> None:
    service = RetrievalService(
        RetrievalSettings(folder=settings.folder, max_collections=1, max_passages=3, max_document_bytes=1024),
        embedding,
    )
    service.start()
    await service.create(CollectionSpec("docs"), ALL)
    with pytest.raises(Exhausted) as caught:
        await service.create(CollectionSpec("more"), ALL)
    assert caught.value.reason == "TOO_MANY_COLLECTIONS"
    assert (await service.upsert("docs", page("big", b"x" * 1025), ALL)).reason == "TOO_LARGE"
    await service.upsert("docs", page(), ALL)
    with pytest.raises(Exhausted) as caught:
        await service.upsert("docs", page("other.md"), ALL)
    assert caught.value.reason == "COLLECTION_FULL"
    assert (await service.upsert("docs", page(content=PAGE + b"more"), ALL)).outcome is Outcome.REPLACED
    await service.aclose()


async def test_a_damaged_collection_is_listed_and_refused_and_others_serve(
    service: RetrievalService, settings: RetrievalSettings, embedding: FakeEmbedding
) -> None:
    await filled(service)
    await service.create(CollectionSpec("other"), ALL)
    await service.aclose()
    (Path(settings.folder) / "docs.sqlite").write_bytes(b"garbage" * 1000)
    again = RetrievalService(settings, embedding)
    again.start()
    broken, good = await again.list("")
    assert (broken.name, broken.reason) == ("docs", "COLLECTION_DAMAGED")
    assert (good.name, good.error) == ("other", "")
    with pytest.raises(FailedPrecondition, match="damaged"):
        await again.search(SearchRequest("docs", "fan"))
    await again.upsert("other", page(), ALL)
    await again.drop("docs", "")
    assert [each.name for each in await again.list("")] == ["other"]
    await again.aclose()


async def test_a_backup_put_back_is_found_while_the_node_runs(
    service: RetrievalService, settings: RetrievalSettings
) -> None:
    await filled(service)
    copy = b"".join([block async for block in service.backup("docs", "")])
    await service.drop("docs", "")
    (Path(settings.folder) / "docs.sqlite").write_bytes(copy)
    assert (await service.search(SearchRequest("docs", "fan"))).hits


async def test_a_collection_that_was_in_use_serves_once_it_is_free(
    service: RetrievalService, settings: RetrievalSettings, embedding: FakeEmbedding
) -> None:
    """As in an update: the new process starts while the old one drains."""
    await filled(service)
    now = 0.0
    shelf = Shelf(make_stores(settings), settings.cache_bytes, lambda: now)
    assert (await shelf.list(""))[0].reason == "COLLECTION_IN_USE"
    await service.aclose()
    assert (await shelf.list(""))[0].reason == "COLLECTION_IN_USE", "tried again at once"
    now += TRY_AGAIN_S
    (again,) = await shelf.list("")
    assert (again.error, again.num_documents) == ("", 2)
    await shelf.aclose()


async def test_a_backup_put_over_a_damaged_collection_is_found_while_the_node_runs(
    service: RetrievalService, settings: RetrievalSettings
) -> None:
    await filled(service)
    copy = b"".join([block async for block in service.backup("docs", "")])
    await service.aclose()
    file, now = Path(settings.folder) / "docs.sqlite", 0.0
    file.write_bytes(b"garbage" * 1000)
    shelf = Shelf(make_stores(settings), settings.cache_bytes, lambda: now)
    assert (await shelf.find("docs", "")).store is None
    file.write_bytes(copy)
    now += TRY_AGAIN_S
    assert (await shelf.find("docs", "")).store is not None
    await shelf.aclose()


async def test_vectors_that_nobody_searches_are_forgotten(
    settings: RetrievalSettings, embedding: FakeEmbedding
) -> None:
    service = RetrievalService(RetrievalSettings(folder=settings.folder, cache_bytes=0), embedding)
    service.start()
    await filled(service)
    for _ in range(2):
        assert (await service.search(SearchRequest("docs", "fan"))).hits
    await service.aclose()


async def test_the_loop_is_free_while_a_collection_works(service: RetrievalService) -> None:
    await filled(service)
    opened = await service._shelf.find("docs", "")
    begun, go = threading.Event(), threading.Event()

    def hold(_: object) -> str:
        begun.set()
        go.wait(10)
        return "done"

    holding = asyncio.create_task(service._shelf.run(opened, hold))
    assert await asyncio.to_thread(begun.wait, 10)
    waiting = asyncio.create_task(service.search(SearchRequest("docs", "fan")))
    await asyncio.sleep(0)
    assert not waiting.done()
    go.set()
    assert await holding == "done"
    assert (await waiting).hits


async def test_a_cancelled_caller_leaves_the_collection_whole(service: RetrievalService) -> None:
    await filled(service)
    tasks = [asyncio.create_task(service.upsert("docs", page(f"{n}.md"), ALL)) for n in range(6)]
    for turns, task in enumerate(tasks):
        for _ in range(turns * 3):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait(tasks)
    info = await service.get("docs", "")
    assert info.num_passages == 3 + 2 * (info.num_documents - 2)


async def test_documents_are_listed_and_deleted(service: RetrievalService) -> None:
    await filled(service)
    listed = [each async for some in service.documents("docs", "") for each in some]
    assert [each.id for each in listed] == ["bill.md", "page.md"]
    assert await service.delete("docs", "", None, (Condition("year", at_least=2000.0),)) == 1
    assert not (await service.search(SearchRequest("docs", "technician", mode=SearchMode.WORDS))).hits


@pytest.mark.parametrize(
    "settings_of",
    [RetrievalSettings(folder="x", url="postgresql://h/d"), RetrievalSettings(url="mysql://h/d")],
)
def test_a_wrong_place_stops_the_start(settings_of: RetrievalSettings, embedding: FakeEmbedding) -> None:
    with pytest.raises(ConfigError, match="XAPP_RETRIEVAL_URL"):
        RetrievalService(settings_of, embedding)


@pytest.mark.slow
async def test_the_service_works_on_postgres(postgres_url: str, embedding: FakeEmbedding) -> None:
    service = RetrievalService(RetrievalSettings(url=postgres_url), embedding)
    service.start()
    try:
        await filled(service, ME)
        result = await service.search(SearchRequest("docs", "Who replaces the fan?", caller=ME))
        assert result.hits[0].title == "Fan"
        assert result.hits[0].cosine == pytest.approx(result.hits[0].score, abs=1e-6)
        with pytest.raises(FailedPrecondition, match="pg_dump"):
            await anext(service.backup("docs", ME.scope))
        await service.drop("docs", ME.scope)
    finally:
        await service.aclose()


async def test_a_database_that_does_not_answer_is_said(embedding: FakeEmbedding) -> None:
    pytest.importorskip("psycopg")
    service = RetrievalService(RetrievalSettings(url="postgresql://127.0.0.1:1/none"), embedding)
    service.start()
    with pytest.raises(XappError) as caught:
        await service.list("")
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "COLLECTION_LOST")
    assert MODEL not in caught.value.message
    await service.aclose()
