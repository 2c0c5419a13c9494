"""The questions of `bench routing`."""

import json
from pathlib import Path
from typing import Any

import pytest

from perf.data.read_rows import DataError
from perf.routing.routing_questions import read_questions

ROW = {"id": "a", "question": " Which? ", "choices": ["one", "two"], "answer": 1}


def written(folder: Path, *rows: dict[str, Any], name: str = "file.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_question_becomes_a_prompt(tmp_path: Path) -> None:
    (found,) = read_questions([written(tmp_path, ROW)])
    assert found.answers == ["A. one", "B. two"]
    assert found.prompt.startswith("Which?\nA. one\nB. two\n")
    assert (found.right, found.file) == (1, "file")


def test_each_id_counts_once_and_rows_without_choices_are_left_out(tmp_path: Path) -> None:
    numeric = {"id": "n", "question": "How many?", "choices": None, "answer": "18"}
    paths = [written(tmp_path, ROW, numeric), written(tmp_path, ROW, {**ROW, "id": "b"}, name="other.jsonl")]
    assert [each.id for each in read_questions(paths)] == ["a", "b"]


@pytest.mark.parametrize(
    "change", [{"answer": 2}, {"answer": "1"}, {"choices": ["one"]}, {"choices": ["a", " "]}]
)
def test_a_wrong_row_names_its_line(tmp_path: Path, change: dict[str, Any]) -> None:
    path = written(tmp_path, ROW, {**ROW, "id": "b", **change})
    with pytest.raises(DataError, match="line 2"):
        read_questions([path])


def test_a_file_without_choices_is_refused(tmp_path: Path) -> None:
    numeric = {"id": "n", "question": "How many?", "choices": None, "answer": "18"}
    with pytest.raises(DataError, match="no question"):
        read_questions([written(tmp_path, numeric)])
