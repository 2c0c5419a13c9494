"""Files of collections: damage, newer layouts, a full disk, two processes, and back-ups."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from time import time

import pytest

from tests.retrieval.making import INFO, KEY, document, filled, texts_of
from xapp.errors import ConfigError, Exhausted, FailedPrecondition
from xapp.retrieval.store.base import BACKUP
from xapp.retrieval.store.sqlite_folder import SqliteStores
from xapp.retrieval.store.sqlite_store import SqliteStore

MAX_BYTES = 64 << 20


@pytest.fixture
def stores(tmp_path: Path) -> SqliteStores:
    return SqliteStores(tmp_path, MAX_BYTES)


def test_a_damaged_file_is_refused(stores: SqliteStores, tmp_path: Path) -> None:
    filled(stores.create(KEY, INFO)).close()
    file = tmp_path / "docs.sqlite"
    data = bytearray(file.read_bytes())
    data[4096 * 3 : 4096 * 9] = b"\xa5" * (4096 * 6)
    file.write_bytes(data)
    with pytest.raises(FailedPrecondition, match="damaged") as caught:
        stores.open(KEY)
    assert caught.value.reason == "COLLECTION_DAMAGED"


@pytest.mark.parametrize("content", [b"no database at all, but long enough to look like a file" * 90, b""])
def test_a_file_that_is_no_collection_is_refused(
    stores: SqliteStores, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "docs.sqlite").write_bytes(content)
    with pytest.raises(FailedPrecondition) as caught:
        stores.open(KEY)
    assert caught.value.reason == "COLLECTION_DAMAGED"


def test_an_index_that_does_not_fit_its_texts_is_damage(stores: SqliteStores, tmp_path: Path) -> None:
    filled(stores.create(KEY, INFO)).close()
    with sqlite3.connect(tmp_path / "docs.sqlite") as connection:
        connection.execute("UPDATE passages SET text = 'other words' WHERE number = 1")
    connection.close()
    with pytest.raises(FailedPrecondition) as caught:
        stores.open(KEY)
    assert caught.value.reason == "COLLECTION_DAMAGED"


def test_a_newer_layout_is_refused(stores: SqliteStores, tmp_path: Path) -> None:
    stores.create(KEY, INFO).close()
    with sqlite3.connect(tmp_path / "docs.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(FailedPrecondition, match="schema 99, and this version knows 1") as caught:
        stores.open(KEY)
    assert caught.value.reason == "NEWER_SCHEMA"


def test_a_full_disk_stores_nothing_of_the_document(tmp_path: Path) -> None:
    stores = SqliteStores(tmp_path, 1 << 20)
    store = stores.create(KEY, INFO)
    filled(store)
    large = document("large", [f"passage {number} " + "word " * 100 for number in range(3000)])
    with pytest.raises(Exhausted) as caught:
        store.put(large)
    assert caught.value.reason == "DISK_FULL"
    assert caught.value.retry_after_s is None
    assert store.digest_of("large") == ("", 0)
    assert store.info().num_passages == 5
    assert store.put(document("small", ["there is room for this"])) is False
    store.close()
    again = stores.open(KEY)
    assert again.info().num_documents == 4
    again.close()


HOLD = """
import sys
from pathlib import Path
from xapp.retrieval.store import sqlite_file
held = sqlite_file.lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_by_name(stores: SqliteStores, tmp_path: Path) -> None:
    stores.create(KEY, INFO).close()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "docs.sqlite")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(FailedPrecondition, match=str(other.pid)) as caught:
            stores.open(KEY)
        assert caught.value.reason == "COLLECTION_IN_USE"
        other.communicate(timeout=10)
    stores.open(KEY).close()


def test_a_backup_is_one_whole_file(stores: SqliteStores, tmp_path: Path) -> None:
    store = filled(stores.create(KEY, INFO))
    copy = tmp_path / "elsewhere" / "docs.sqlite"
    copy.parent.mkdir()
    store.backup(copy)
    store.put(document("later", ["not in the copy"]))
    store.close()
    assert [path.name for path in copy.parent.iterdir()] == ["docs.sqlite"]
    restored = SqliteStores(copy.parent, MAX_BYTES).open(KEY)
    assert restored.info().num_documents == 3
    found = restored.by_words(["technician"], 3, ())
    assert texts_of(restored, [found[0].passage]) == ["A technician replaces the fan."]
    restored.close()


def test_a_file_that_was_never_finished_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".docs.sqlite.new").write_bytes(b"half")
    stores = SqliteStores(tmp_path, MAX_BYTES)
    assert stores.all_keys() == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="XAPP_RETRIEVAL_FOLDER"):
        SqliteStores(tmp_path / "file" / "folder", MAX_BYTES)


def test_closing_gives_the_lock_back(stores: SqliteStores) -> None:
    for _ in range(3):
        store = stores.create(KEY, INFO) if not stores.all_keys() else stores.open(KEY)
        assert isinstance(store, SqliteStore)
        store.close()
        store.close()


def test_a_file_of_another_process_is_not_removed(stores: SqliteStores, tmp_path: Path) -> None:
    other = filled(stores.create(KEY, INFO))
    with pytest.raises(FailedPrecondition) as caught:
        SqliteStores(tmp_path, MAX_BYTES).drop(KEY)
    assert caught.value.reason == "COLLECTION_IN_USE"
    other.close()
    again = stores.open(KEY)
    assert again.info().num_documents == 3
    again.close()
    stores.drop(KEY)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_was_never_sent_whole_is_swept_away(tmp_path: Path) -> None:
    for name, age_s in (("old", 7200), ("young", 0)):
        folder = tmp_path / f"{BACKUP}{name}"
        folder.mkdir()
        (folder / "copy").write_bytes(b"x")
        os.utime(folder, (time() - age_s,) * 2)
    SqliteStores(tmp_path, MAX_BYTES)
    assert [path.name for path in tmp_path.iterdir()] == [f"{BACKUP}young"]
