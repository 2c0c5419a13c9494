import json
from pathlib import Path

import pytest

from perf.data.dialogues import SHIPPED, Dialogue, read_dialogues
from perf.data.read_rows import DataError


def row(name: str, *turns: tuple[str, str]) -> str:
    return json.dumps(
        {"conversation_id": name, "turns": [{"role": role, "text": text, "n": 1} for role, text in turns]}
    )


def written(folder: Path, *rows: str) -> Path:
    path = folder / "dialogues.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_only_the_users_turns_are_questions(tmp_path: Path) -> None:
    path = written(tmp_path, row("a", ("user", "Hello."), ("assistant", "Yes?"), ("user", "Why?")))
    assert read_dialogues(path) == [Dialogue("a", ("Hello.", "Why?"))]


def test_the_limit_takes_the_first(tmp_path: Path) -> None:
    path = written(tmp_path, *(row(name, ("user", "Hello.")) for name in "abc"))
    assert [each.id for each in read_dialogues(path, 2)] == ["a", "b"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("b", ("robot", "Beep.")), "role 'robot'"),
        (row("b", ("assistant", "Yes?")), "no turn of the user"),
        (row("b", ("user", " ")), "a turn of the user is empty"),
        (row("a", ("user", "Hello.")), "'a' is there twice"),
        ('{"conversation_id": "b"}', "turns"),
    ],
)
def test_what_is_no_dialogue_names_its_line_even_past_the_limit(
    tmp_path: Path, bad: str, reason: str
) -> None:
    path = written(tmp_path, row("a", ("user", "Hello.")), bad)
    with pytest.raises(DataError, match=rf"line 2: .*{reason}"):
        read_dialogues(path, 1)


def test_the_dialogues_that_ship_are_as_the_experiment_wants_them() -> None:
    dialogues = read_dialogues(SHIPPED)
    assert len(dialogues) == 8
    assert {len(each.questions) for each in dialogues} == {5}
