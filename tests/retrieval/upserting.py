"""A process that stores documents until it is killed: tells each document once it is stored.

python -m tests.retrieval.upserting FOLDER FIRST
"""

import sys
from itertools import count
from pathlib import Path

from tests.retrieval.making import INFO, KEY, document
from xapp.retrieval.store.sqlite_folder import SqliteStores

MAX_BYTES = 256 << 20
NUM_PASSAGES = 40


def texts(number: int) -> list[str]:
    """The passages of document `number`: a part of them would be seen."""
    return [f"document {number} part {part} of {NUM_PASSAGES}" for part in range(NUM_PASSAGES)]


def main() -> None:
    folder, first = sys.argv[1:]
    stores = SqliteStores(Path(folder), MAX_BYTES)
    store = stores.open(KEY) if stores.all_keys() else stores.create(KEY, INFO)
    for number in count(int(first)):
        # Each other document takes the place of an old one.
        name = number if number % 2 else number // 4
        store.put(document(f"doc-{name}", texts(number), digest=str(number)))
        print(name, number, flush=True)


if __name__ == "__main__":
    main()
