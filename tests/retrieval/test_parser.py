"""The parser process: a document may take its memory or its time, and the next document is read."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from tests.retrieval.pdfs import bomb, page, pdf
from xapp.domain.documents import Document
from xapp.errors import Unavailable
from xapp.retrieval.documents.parsed import Unread
from xapp.retrieval.parser import client
from xapp.retrieval.parser.client import Parser

NOTE = Document("note.md", content=b"# Note\n\nIt is read.")


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser()
    yield parser
    await parser.aclose()


async def still_reads(parser: Parser) -> bool:
    title, passages = await parser.parse(NOTE, 1000, 100)
    return (title, [each.text for each in passages]) == ("Note", ["It is read."])


async def test_a_pdf_is_read_page_by_page(parser: Parser) -> None:
    content = pdf([page("The first page."), page("The second", "page.")])
    title, passages = await parser.parse(Document("a.pdf", content=content), 1000, 100)
    assert title == ""
    assert [(each.title, each.text) for each in passages] == [
        ("page 1", "The first page."),
        ("page 2", "The second\npage."),
    ]


async def test_a_pdf_of_clauses_is_cut_at_them(parser: Parser) -> None:
    content = pdf(
        [page("1 Scope", "Made up."), page("2 Terms", "None.", "3 Procedures", "The node registers.")]
    )
    _, passages = await parser.parse(Document("a.pdf", content=content), 1000, 100)
    assert [each.title for each in passages] == ["1 Scope", "2 Terms", "3 Procedures"]


async def test_a_bomb_is_skipped_and_the_next_document_read(parser: Parser) -> None:
    with pytest.raises(Unread) as caught:
        await parser.parse(Document("bomb.pdf", content=bomb()), 1000, 100)
    assert caught.value.reason in {"TOO_MUCH_WORK", "UNREADABLE"}
    assert await still_reads(parser)


async def test_a_document_that_takes_its_time_is_skipped(
    parser: Parser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LEAST_S", 0.05)
    monkeypatch.setattr(client, "S_PER_MB", 0.0)
    slow = b"<p>x</p><!--" * 400_000
    with pytest.raises(Unread, match="took longer") as caught:
        await parser.parse(Document("slow.html", content=slow), 1000, 100)
    assert caught.value.reason == "TOO_MUCH_WORK"
    monkeypatch.setattr(client, "LEAST_S", 5.0)
    assert await still_reads(parser)


async def test_a_lost_process_is_replaced(parser: Parser) -> None:
    assert await still_reads(parser)
    assert parser.pid is not None
    os.kill(parser.pid, signal.SIGKILL)
    assert await still_reads(parser)


async def test_a_process_that_is_lost_again_is_an_error(
    parser: Parser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "COMMAND", (sys.executable, "-c", "", "gone"))
    with pytest.raises(Unavailable, match="parser process"):
        await still_reads(parser)


async def test_a_cancelled_document_does_not_disturb_the_next(parser: Parser) -> None:
    large = Document("large.txt", content=b"word " * 1_000_000)
    assert await still_reads(parser)
    task = asyncio.create_task(parser.parse(large, 1000, 100))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await still_reads(parser)
