"""Spec-Bench rows: `{"question_id": 1, "category": "rag", "turns": ["…", …]}`. The first turn is asked."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from perf.data.read_rows import DataError, read_rows


class ItemRow(msgspec.Struct, frozen=True):
    """One line of the file."""

    category: str
    turns: list[str]


def read_items(path: Path, categories: Sequence[str], limit: int | None) -> dict[str, list[str]]:
    """The first `limit` questions of each category. Without categories all count. Raises DataError."""
    found: dict[str, list[str]] = {name: [] for name in categories}
    for number, row in read_rows(path, ItemRow):
        if not row.turns:
            raise DataError(f"{path}, line {number}", "no turns")
        if not categories or row.category in categories:
            found.setdefault(row.category, []).append(row.turns[0])
    if missing := [name for name, texts in found.items() if not texts]:
        raise DataError(str(path), f"no question of category {', '.join(missing)}")
    return {name: texts[:limit] for name, texts in found.items()}
