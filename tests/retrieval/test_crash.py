"""A process that is killed while it stores documents: what it stored is there, and nothing is torn."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.retrieval.making import KEY
from tests.retrieval.upserting import MAX_BYTES, NUM_PASSAGES, texts
from tests.scale import sized
from xapp.retrieval.store.sqlite_folder import SqliteStores
from xapp.retrieval.store.sqlite_store import SqliteStore


@pytest.mark.slow
def test_a_killed_process_loses_nothing_and_tears_nothing(tmp_path: Path) -> None:
    stored: dict[int, int] = {}
    chance = random.Random(7)
    for _ in range(sized(8, 50)):
        last = max(stored.values(), default=-1)
        stored |= killed_after(tmp_path, last + 1, chance.randint(1, 12))
        check(tmp_path, stored)


def killed_after(folder: Path, first: int, documents: int) -> dict[int, int]:
    """Documents, with their last versions, that a process told before it was killed in the middle of one."""
    command = [sys.executable, "-m", "tests.retrieval.upserting", str(folder), str(first)]
    told: dict[int, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(documents):
            name, number = map(int, process.stdout.readline().split())
            told[name] = number
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            # It was stored between the last line that counted and the kill.
            if line.endswith("\n"):
                name, number = map(int, line.split())
                told[name] = number
    return told


def check(folder: Path, stored: dict[int, int]) -> None:
    """Opening checks the file itself; then each document has all passages of one version."""
    store = SqliteStores(folder, MAX_BYTES).open(KEY)
    try:
        for name, number in stored.items():
            digest, count = store.digest_of(f"doc-{name}")
            # A version may be newer than the last that was told: it was stored and not told any more.
            assert int(digest) >= number
            assert count == NUM_PASSAGES
            assert passages(store, f"doc-{name}") == texts(int(digest))
    finally:
        store.close()


def passages(store: SqliteStore, name: str) -> list[str]:
    documents = "SELECT number FROM documents WHERE id = ?"
    query = f"SELECT text FROM passages WHERE document = ({documents}) ORDER BY number"
    return [text for (text,) in store._db.execute(query, (name,))]
