from pathlib import Path

import pytest

from perf.data.read_rows import DataError
from perf.speculation.speculation_items import read_items

ROWS = (
    '{"question_id": 1, "category": "qa", "turns": ["a", "then"]}\n'
    '{"question_id": 2, "category": "rag", "turns": ["b"]}\n'
    '{"question_id": 3, "category": "qa", "turns": ["c"]}\n'
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "items.jsonl").write_text(ROWS)
    return tmp_path / "items.jsonl"


def test_first_turns_by_category(path: Path) -> None:
    assert read_items(path, [], None) == {"qa": ["a", "c"], "rag": ["b"]}
    assert read_items(path, ["qa"], 1) == {"qa": ["a"]}


def test_a_category_without_questions_and_a_row_without_turns_are_named(path: Path) -> None:
    with pytest.raises(DataError, match="no question of category code"):
        read_items(path, ["qa", "code"], None)
    path.write_text('{"category": "qa", "turns": []}')
    with pytest.raises(DataError, match="line 1: no turns"):
        read_items(path, [], None)
