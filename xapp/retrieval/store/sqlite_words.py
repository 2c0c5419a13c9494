"""SqliteWords: the search by words in a collection's SQLite file, by FTS5 and BM25."""

import json
import sqlite3
from collections.abc import Sequence
from itertools import accumulate

from xapp.retrieval.store.base import Found

MOST_RANKED = 4000
"""Passages that a search ranks, as a rule."""
MOST_COUNTS = 10_000
"""Words whose counts are remembered."""


class SqliteWords:
    """Searches `db`, and remembers how many passages have a word until `forget`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._counts: dict[str, int] = {}

    def forget(self) -> None:
        """Before the passages change."""
        self._counts.clear()

    def search(self, words: Sequence[str], most: int, documents: Sequence[int] | None) -> list[Found]:
        """The best passages for at least one word. `documents`: where they may be; None is everywhere."""
        query = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ?"
        values: list[object] = [" OR ".join(map(_quoted, self._telling(words)))]
        if documents is not None:
            inside = "SELECT number FROM passages WHERE document IN (SELECT value FROM json_each(?))"
            query += f" AND rowid IN ({inside})"
            values.append(json.dumps(documents))
        rows = self._db.execute(f"{query} ORDER BY rank LIMIT ?", (*values, most)).fetchall()
        return [Found(*row) for row in rows]

    def _telling(self, words: Sequence[str]) -> list[str]:
        """The rarest words: as many as occur in MOST_RANKED passages together, and at least one.

        To rank a passage takes microseconds, and common words tell little.
        """
        counts = sorted((self._count(word), place, word) for place, word in enumerate(words))
        sums = accumulate(count for count, _, _ in counts)
        return [word for (_, _, word), total in zip(counts, sums, strict=True) if total <= MOST_RANKED] or [
            counts[0][2]
        ]

    def _count(self, word: str) -> int:
        """The passages that have a word."""
        if (known := self._counts.get(word)) is None:
            query = "SELECT count(*) FROM words WHERE words MATCH ?"
            (known,) = self._db.execute(query, (_quoted(word),)).fetchone()
            if len(self._counts) < MOST_COUNTS:
                self._counts[word] = known
        return known


def _quoted(word: str) -> str:
    """A word as FTS5 reads it, whatever it is in the language of queries."""
    return f'"{word}"'
