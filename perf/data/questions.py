"""Questions with a right answer: WinoGrande, and multiple choice.

WinoGrande rows: `{"qID": "…", "sentence": "… _ …", "option1": "…", "option2": "…", "answer": "1"}`.
Multiple-choice rows: `{"id": "…", "question": "…", "choices": ["…", …], "answer": 0}` with the index of
the right choice, and `subject` or `difficulty` as the category. Other keys are ignored.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from perf.data.read_rows import DataError, read_rows

BLANK = "_"
MAX_CHOICES = 26


@dataclass(frozen=True, slots=True)
class Winogrande:
    """A sentence with one blank, and what fills it. `right` is 0 or 1; `line` that of the file."""

    id: str
    line: int
    sentence: str
    options: tuple[str, str]
    right: int
    category: str = ""


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """A question and its choices; `right` is an index."""

    id: str
    line: int
    question: str
    choices: tuple[str, ...]
    right: int
    category: str = ""


class _Identified(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def line(self) -> int: ...


_Question = TypeVar("_Question", bound=_Identified)


class WinograndeRow(msgspec.Struct, frozen=True):
    """One line of a WinoGrande file."""

    qID: str  # noqa: N815  the data set's own name
    sentence: str
    option1: str
    option2: str
    answer: str


class ChoiceRow(msgspec.Struct, frozen=True):
    """One line of a multiple-choice file."""

    id: str
    question: str
    choices: list[str]
    answer: int
    subject: str = ""
    difficulty: str = ""


def read_winogrande(path: Path) -> list[Winogrande]:
    """All of them. Raises DataError that names the line."""
    rows = read_rows(path, WinograndeRow)
    return _unique(path, (_winogrande(f"{path}, line {line}", line, row) for line, row in rows))


def _winogrande(where: str, line: int, row: WinograndeRow) -> Winogrande:
    if row.sentence.count(BLANK) != 1:
        raise DataError(where, f"the sentence has {row.sentence.count(BLANK)} blanks ({BLANK}), not one")
    if not row.sentence.partition(BLANK)[2].strip():
        raise DataError(where, "nothing follows the blank: there is nothing to compare")
    if not (row.option1.strip() and row.option2.strip()) or row.option1 == row.option2:
        raise DataError(where, "the options are empty or the same")
    if row.answer not in {"1", "2"}:
        raise DataError(where, f'answer {row.answer!r}: "1" or "2" is expected (the test split has none)')
    return Winogrande(row.qID, line, row.sentence, (row.option1, row.option2), int(row.answer) - 1)


def read_choices(path: Path) -> list[MultipleChoice]:
    """All of them. Raises DataError that names the line."""
    rows = read_rows(path, ChoiceRow)
    return _unique(path, (_choice(f"{path}, line {line}", line, row) for line, row in rows))


def _choice(where: str, line: int, row: ChoiceRow) -> MultipleChoice:
    if not 2 <= len(row.choices) <= MAX_CHOICES:
        raise DataError(where, f"{len(row.choices)} choices; 2 to {MAX_CHOICES} are expected")
    if not row.question.strip() or not all(choice.strip() for choice in row.choices):
        raise DataError(where, "the question or a choice is empty")
    if not 0 <= row.answer < len(row.choices):
        raise DataError(where, f"answer {row.answer} is no index of {len(row.choices)} choices")
    category = row.subject or row.difficulty
    return MultipleChoice(row.id, line, row.question, tuple(row.choices), row.answer, category)


def _unique(path: Path, questions: Iterable[_Question]) -> list[_Question]:
    found: dict[str, _Question] = {}
    for question in questions:
        if question.id in found:
            raise DataError(f"{path}, line {question.line}", f"id {question.id!r} is there twice")
        found[question.id] = question
    return list(found.values())
