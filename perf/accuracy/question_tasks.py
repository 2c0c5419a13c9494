"""What is asked: each question becomes candidate texts, whose likelihoods are compared.

WinoGrande is scored partially: the sentence goes on with either option, and what is compared is how
likely the part after the blank is then. Multiple choice is compared by the likelihood of the
choice's letter after the question with all choices, or of its text after the question alone.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from perf.data.questions import BLANK, MultipleChoice, Winogrande, read_choices, read_winogrande

Question: TypeAlias = Winogrande | MultipleChoice
_SUBJECTS = {"oran_bench": "O-RAN"}


class Task(enum.StrEnum):
    """A data set."""

    WINOGRANDE = "winogrande"
    MMLU = "mmlu"
    ORAN_BENCH = "oran_bench"


class By(enum.StrEnum):
    """What of a choice is scored: its letter or its text. WinoGrande has neither."""

    LETTER = "letter"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text as it follows a prompt. Its last `compared_bytes` are compared; None: all of it."""

    prompt: str
    text: str
    compared_bytes: int | None = None

    @property
    def num_bytes(self) -> int:
        """Bytes that are compared."""
        return len(self.text.encode()) if self.compared_bytes is None else self.compared_bytes


def read(task: Task, path: Path) -> Sequence[Question]:
    """All questions of a file. Raises DataError that names the line."""
    return read_winogrande(path) if task is Task.WINOGRANDE else read_choices(path)


def candidates(question: Question, task: Task, by: By) -> list[Candidate]:
    """One for each choice, in the file's order."""
    if isinstance(question, Winogrande):
        return [_filled(question, option) for option in question.options]
    if by is By.TEXT:
        prompt = f"Question: {question.question.strip()}\nAnswer:"
        return [Candidate(prompt, f" {choice.strip()}") for choice in question.choices]
    prompt = _with_choices(question, _SUBJECTS.get(task, question.category))
    return [Candidate(prompt, f" {letter}") for letter in _letters(question)]


def _filled(question: Winogrande, option: str) -> Candidate:
    """The blank belongs to the text, with the space before it: tokens begin with their space."""
    before, _, rest = question.sentence.partition(BLANK)
    prompt = before.rstrip(" ")
    if not prompt:  # nothing precedes the blank, and a prompt may not be empty
        return Candidate(option, rest)
    return Candidate(prompt, before[len(prompt) :] + option + rest, len(rest.encode()))


def _with_choices(question: MultipleChoice, subject: str) -> str:
    about = f" about {subject.replace('_', ' ')}" if subject else ""
    head = f"The following is a multiple choice question (with its answer){about}.\n\n"
    pairs = zip(_letters(question), question.choices, strict=True)
    choices = "".join(f"{letter}. {choice.strip()}\n" for letter, choice in pairs)
    return f"{head}{question.question.strip()}\n{choices}Answer:"


def _letters(question: MultipleChoice) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(question.choices)]
