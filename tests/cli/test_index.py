"""`genai-xapp index` and `generate --collection`, on a node in this process with fake models."""

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tests.server.test_retrieval import with_collections, with_sources
from xapp.cli import main
from xapp.cli.index.files import MAX_FILE_BYTES, find
from xapp.cli.index.filters import filter_of, metadata_of

PAGE = "# Fan\nA technician replaces the broken fan.\n"
Invoke = Callable[..., Result]


@pytest.fixture
def invoke(tmp_path: Path) -> Iterator[Invoke]:
    """Runs a command against a node, which has a thread of its own."""
    with node_in_thread(tmp_path) as target:

        def run(*arguments: str | Path) -> Result:
            return CliRunner().invoke(main, [*map(str, arguments), "--target", target])

        yield run


@contextlib.contextmanager
def node_in_thread(folder: Path) -> Iterator[str]:
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()
    found: list[str] = []

    async def serve() -> None:
        async with with_collections(folder) as node:
            node.service.script = with_sources
            found.append(f"127.0.0.1:{node.port}")
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(30)
        loop.close()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with two good files and many that are skipped."""
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "no.md").write_text(PAGE)
    (folder / "fan.md").write_text(PAGE)
    (folder / "deep" / "bill.txt").write_text("Bills go out at night.")
    (folder / "latin.txt").write_bytes(b"caf\xe9 au lait")
    (folder / "image.png").write_bytes(b"\x89PNG")
    (folder / "empty.md").write_text("")
    with (folder / "huge.txt").open("wb") as huge:
        os.truncate(huge.fileno(), 1 << 30)
    return folder


def test_a_folder_is_added_and_what_is_skipped_is_said(invoke: Invoke, docs: Path) -> None:
    result = invoke("index", "add", docs, "--collection", "handbook", "--metadata", "kind=page")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "2 added, 0 replaced, 0 unchanged, 4 skipped · 2 passages"
    said = {line.split(": ")[0].strip(): line.split(": ")[1] for line in lines[1:]}
    assert said == {
        "docs/latin.txt": "BAD_ENCODING",
        "docs/image.png": "UNKNOWN_TYPE",
        "docs/empty.md": "EMPTY",
        "docs/huge.txt": "TOO_LARGE",
    }
    again = invoke("index", "add", docs, "--collection", "handbook", "--metadata", "kind=page")
    assert again.stdout.splitlines()[0] == "0 added, 0 replaced, 2 unchanged, 4 skipped · 2 passages"


def test_a_collection_is_made_searched_kept_and_deleted(invoke: Invoke, docs: Path, tmp_path: Path) -> None:
    assert "words only" in invoke("index", "create", "handbook", "--words-only").stdout
    result = invoke("index", "add", docs / "fan.md", "--collection", "handbook", "--json")
    assert json.loads(result.stdout)["outcome"] == "UPSERT_OUTCOME_ADDED"
    assert "handbook  1 documents, 1 passages" in invoke("index", "list").stdout
    assert invoke("index", "list", "handbook").stdout == "fan.md  1 passages  Fan\n"
    found = invoke("index", "search", "handbook", "Who replaces the fan?").stdout
    assert "fan.md  Fan  (6-43)" in found
    assert "A technician replaces the broken fan." in found
    assert invoke("index", "search", "handbook", "quantum").stdout == "nothing was found\n"
    copy = tmp_path / "copy.sqlite"
    assert invoke("index", "backup", "handbook", copy).exit_code == 0
    assert copy.read_bytes().startswith(b"SQLite format 3\0")
    assert "is there already" in invoke("index", "backup", "handbook", copy).stderr
    assert invoke("index", "delete", "handbook", "--document", "fan.md").stdout == "1 documents deleted\n"
    assert invoke("index", "delete", "handbook", "--yes").stdout == "handbook deleted\n"
    assert invoke("index", "list").stdout == ""


def test_an_error_is_one_line(invoke: Invoke) -> None:
    result = invoke("index", "search", "none", "x")
    assert result.exit_code == 1
    assert result.stderr == "NOT_FOUND: no collection 'none'\n"


def test_an_answer_shows_its_sources(invoke: Invoke) -> None:
    result = invoke("generate", "Who?", "--collection", "docs", "--passages", "3", "--abstain")
    assert result.exit_code == 0, result.output
    assert result.stdout == "A technician [1].\n"
    assert result.stderr == "* [1] fan.md  Fan  (6-44, score 0.750)\n"
    assert "need --collection" in invoke("generate", "Who?", "--passages", "3").stderr


def test_two_files_of_one_id_are_refused(invoke: Invoke, tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "docs").mkdir(parents=True)
        (tmp_path / parent / "docs" / "x.md").write_text(PAGE)
    result = invoke("index", "add", tmp_path / "a" / "docs", tmp_path / "b" / "docs")
    assert "'docs/x.md'" in result.stderr


def test_files_are_found_in_order_without_reading_them(docs: Path) -> None:
    found = list(find([docs]))
    assert [each.id for each in found] == [
        "docs/empty.md",
        "docs/fan.md",
        "docs/huge.txt",
        "docs/image.png",
        "docs/latin.txt",
        "docs/deep/bill.txt",
    ]
    huge = next(each for each in found if each.id == "docs/huge.txt")
    assert huge.skipped == f"TOO_LARGE: it has {1 << 30:,} bytes, more than {MAX_FILE_BYTES:,}"


def test_filters_are_read() -> None:
    conditions = ["kind=spec", "kind=note", "release>=17", "release<=18", "lang!=de", "lang!=fr", "ok=true"]
    assert filter_of(conditions) == {
        "kind": ["spec", "note"],
        "release": {"at_least": 17, "at_most": 18},
        "lang": {"not": ["de", "fr"]},
        "ok": [True],
    }
    assert metadata_of(["title=a=b", "year=2024"]) == {"title": "a=b", "year": 2024}


@pytest.mark.parametrize("conditions", [["x"], ["=1"], ["a=1", "a>=2"], ["a>=1", "a=2"], ["a>=1", "a>=2"]])
def test_a_filter_that_means_nothing_is_refused(conditions: list[str]) -> None:
    with pytest.raises(click.UsageError, match="--filter"):
        filter_of(conditions)
