"""Multiple-choice questions from one or more files, and the texts by which models are asked them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.data.questions import MAX_CHOICES
from perf.data.read_rows import DataError, read_rows
from xapp.inference.v1 import inference_pb2 as pb

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
assert len(_LETTERS) == MAX_CHOICES


class _Row(msgspec.Struct, frozen=True):
    id: str
    question: str
    choices: list[str] | None = None
    answer: int | str = ""
    kind: str = "mc"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its choices, the index of the right choice, and the name of its file."""

    id: str
    file: str
    text: str
    choices: tuple[str, ...]
    right: int

    @property
    def letters(self) -> list[str]:
        """A letter for each choice."""
        return list(_LETTERS[: len(self.choices)])

    @property
    def answers(self) -> list[str]:
        """The answer that each choice stands for: its letter and its text."""
        return [f"{letter}. {choice}" for letter, choice in zip(self.letters, self.choices, strict=True)]

    @property
    def prompt(self) -> str:
        """What a model is asked."""
        return "\n".join([self.text, *self.answers, "", "Answer with the letter and the text of the choice."])


def chat(text: str) -> list[pb.Message]:
    """A single turn of the user."""
    return [pb.Message(role="user", content=text)]


def read_questions(paths: Sequence[Path]) -> list[Question]:
    """The questions of all files, each id once. Rows without choices are left out. Raises DataError."""
    found: dict[str, Question] = {}
    for path in paths:
        for question in _questions(path):
            found.setdefault(question.id, question)
    if not found:
        raise DataError(", ".join(map(str, paths)), "no question with choices")
    return list(found.values())


def _questions(path: Path) -> Iterable[Question]:
    for line, row in read_rows(path, _Row):
        if row.choices:
            yield _question(f"{path}, line {line}", path.stem, row, row.choices)


def _question(where: str, file: str, row: _Row, choices: list[str]) -> Question:
    if not 2 <= len(choices) <= MAX_CHOICES or not all(choice.strip() for choice in choices):
        raise DataError(where, f"2 to {MAX_CHOICES} choices are expected, none of them empty")
    if not isinstance(row.answer, int) or not 0 <= row.answer < len(choices):
        raise DataError(where, f"answer {row.answer!r} is no index of {len(choices)} choices")
    return Question(row.id, file, row.question.strip(), tuple(each.strip() for each in choices), row.answer)
