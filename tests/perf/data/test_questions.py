import json
from pathlib import Path
from typing import Any

import pytest

from perf.data.questions import MultipleChoice, Winogrande, read_choices, read_winogrande
from perf.data.read_rows import DataError

BLANK = {
    "qID": "w1",
    "sentence": "The antenna beat the mast because the _ was taller.",
    "option1": "antenna",
    "option2": "mast",
    "answer": "2",
}
CHOICE = {
    "id": "c1",
    "subject": "radio",
    "question": "Which is a band?",
    "choices": ["n78", "cat"],
    "answer": 0,
}


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_winogrande(tmp_path: Path) -> None:
    (found,) = read_winogrande(written(tmp_path, BLANK))
    assert found == Winogrande("w1", 1, BLANK["sentence"], ("antenna", "mast"), 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sentence": "No blank."}, "0 blanks"),
        ({"sentence": "_ and _."}, "2 blanks"),
        ({"sentence": "It was the _ "}, "nothing follows the blank"),
        ({"option1": "mast"}, "the same"),
        ({"option1": " "}, "empty"),
        ({"answer": ""}, "the test split has none"),
        ({"answer": 2}, "answer"),
        ({"qID": "w1"}, "'w1' is there twice"),
    ],
)
def test_a_malformed_sentence_names_its_line(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = written(tmp_path, BLANK, BLANK | {"qID": "w2"} | change)
    with pytest.raises(DataError, match=rf"line 2: .*{reason}"):
        read_winogrande(path)


def test_the_category_is_the_subject_or_the_difficulty(tmp_path: Path) -> None:
    other = {key: value for key, value in CHOICE.items() if key != "subject"}
    first, second = read_choices(written(tmp_path, CHOICE, other | {"id": "c2", "difficulty": "hard"}))
    assert first == MultipleChoice("c1", 1, "Which is a band?", ("n78", "cat"), 0, "radio")
    assert second.category == "hard"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"choices": ["n78"]}, "1 choices"),
        ({"choices": [str(number) for number in range(27)]}, "27 choices"),
        ({"choices": ["n78", ""]}, "is empty"),
        ({"question": " "}, "is empty"),
        ({"answer": 2}, "answer 2 is no index"),
        ({"answer": -1}, "answer -1 is no index"),
        ({"answer": "A"}, "answer"),
        ({"id": "c1"}, "'c1' is there twice"),
    ],
)
def test_a_malformed_choice_names_its_line(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = written(tmp_path, CHOICE, CHOICE | {"id": "c2"} | change)
    with pytest.raises(DataError, match=rf"line 2: .*{reason}"):
        read_choices(path)
