import json
from pathlib import Path

import pytest

from perf.big_little.questions import letter_of, read_items


def test_items_come_from_each_source_in_turns(tmp_path: Path) -> None:
    rows = [
        {"kind": "mc", "source": source, "question": f"{source}{number}", "choices": ["x", "y"], "answer": 1}
        for source in ("a", "b")
        for number in range(3)
    ]
    rows.append({"kind": "numeric", "source": "c", "question": "1+1", "choices": [], "answer": 2})
    file = tmp_path / "mix.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    items = read_items(file, 3)
    assert [each.prompt.splitlines()[0] for each in items] == ["a0", "b0", "a1"]
    assert items[0].prompt.splitlines()[1:3] == ["A. x", "B. y"]
    assert items[0].letter == "B"


@pytest.mark.parametrize(
    ("text", "letter"), [("B. Because", "B"), ("The answer is (C).", "C"), ("Because", ""), ("", "")]
)
def test_the_first_letter_of_a_choice_counts(text: str, letter: str) -> None:
    assert letter_of(text) == letter
