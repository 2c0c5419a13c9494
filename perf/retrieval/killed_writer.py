"""A process that stores documents until it is killed, and the check of what it leaves.

    python -m perf.retrieval.killed_writer FOLDER FIRST

It tells each document once it is stored.
"""

import random
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import Passage
from xapp.retrieval.store.base import Key, StoredDocument
from xapp.retrieval.store.sqlite_folder import SqliteStores
from xapp.retrieval.store.sqlite_store import SqliteStore

KEY = Key("", "docs")
MAX_BYTES = 256 << 20
NUM_PASSAGES = 40
MOST_DOCUMENTS = 12
DIMENSIONS = 64


@dataclass(frozen=True, slots=True)
class Damage:
    """Documents that were stored and are gone, and documents that are there in part."""

    lost: int
    torn: int


def texts(number: int) -> list[str]:
    """The passages of version `number`: a part of them would be seen."""
    return [f"document {number} part {part} of {NUM_PASSAGES}" for part in range(NUM_PASSAGES)]


def document(name: int, number: int) -> StoredDocument:
    """Version `number` of a document."""
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[number % DIMENSIONS] = 1.0
    passages = [Passage(text, "Title", 0, len(text), vector.tobytes()) for text in texts(number)]
    return StoredDocument(f"doc-{name}", str(number), "Title", {}, passages)


def write(folder: Path, first: int) -> Generator[tuple[int, int], None, None]:
    """Stores documents for ever. Each other document takes the place of an old one."""
    stores = SqliteStores(folder, MAX_BYTES)
    info = CollectionInfo("docs", embedding_model="m", embedding_digest="sha256:0", dimensions=DIMENSIONS)
    with closing(stores.open(KEY) if stores.all_keys() else stores.create(KEY, info)) as store:
        for number in count(first):
            name = number if number % 2 else number // 4
            store.put(document(name, number))
            yield name, number


def kill_writers(folder: Path, kills: int, seed: int = 7) -> Iterator[Damage]:
    """Kills a writer in the middle of a document, again and again: the damage after each."""
    chance = random.Random(seed)
    stored: dict[int, int] = {}
    for _ in range(kills):
        first = max(stored.values(), default=-1) + 1
        stored |= _killed(folder, first, chance.randint(1, MOST_DOCUMENTS))
        yield damage(folder, stored)


def _killed(folder: Path, first: int, documents: int) -> dict[int, int]:
    """The documents that a process told before it was killed, with their versions."""
    command = [sys.executable, "-m", "perf.retrieval.killed_writer", str(folder), str(first)]
    told: dict[int, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout, 1):
            # The last line may be cut by the kill.
            if line.endswith("\n"):
                name, version = map(int, line.split())
                told[name] = version
            if number == documents:
                process.send_signal(signal.SIGKILL)
    return told


def damage(folder: Path, stored: dict[int, int]) -> Damage:
    """Opening checks the file. Then each document has to be there, whole, and not older than was told."""
    lost = torn = 0
    with closing(SqliteStores(folder, MAX_BYTES).open(KEY)) as store:
        for name, version in stored.items():
            digest, _ = store.digest_of(f"doc-{name}")
            if not digest or int(digest) < version:
                lost += 1
            elif not _is_whole(store, name, int(digest)):
                torn += 1
    return Damage(lost, torn)


def _is_whole(store: SqliteStore, name: int, version: int) -> bool:
    return store.texts_of(f"doc-{name}") == texts(version)


def main() -> None:
    """Entry point; the module's docstring has the arguments."""
    folder, first = sys.argv[1:]
    for name, number in write(Path(folder), int(first)):
        print(name, number, flush=True)


if __name__ == "__main__":
    main()
