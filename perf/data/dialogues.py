"""Dialogues of several turns, of which a benchmark plays the user's side.

A row: `{"conversation_id": "…", "turns": [{"role": "user", "text": "…"}, …]}`; other keys are ignored.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perf.data.read_rows import DataError, read_rows

OASST1 = "OpenAssistant/oasst1"
SHIPPED = Path(__file__).with_name("shipped") / "dialogues.jsonl"
"""Written for this project: for a node without a network, and to see what a run is like."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """`questions` is what the user says, turn by turn; the answers are the model's to give."""

    id: str
    questions: tuple[str, ...]


class Message(msgspec.Struct, frozen=True):
    """One turn of a row."""

    role: str
    text: str


class Row(msgspec.Struct, frozen=True):
    """One line of a file."""

    conversation_id: str
    turns: list[Message]


def read_dialogues(path: Path, limit: int | None = None) -> list[Dialogue]:
    """The first `limit` dialogues. The whole file is checked. Raises DataError that names the line."""
    found: dict[str, Dialogue] = {}
    for number, row in read_rows(path, Row):
        where = f"{path}, line {number}"
        if row.conversation_id in found:
            raise DataError(where, f"conversation_id {row.conversation_id!r} is there twice")
        found[row.conversation_id] = _dialogue(where, row)
    return list(found.values())[:limit]


def _dialogue(where: str, row: Row) -> Dialogue:
    if unknown := {turn.role for turn in row.turns} - {"user", "assistant"}:
        raise DataError(where, f"role {sorted(unknown)[0]!r}: a turn is of user or assistant")
    questions = tuple(turn.text for turn in row.turns if turn.role == "user")
    if not questions:
        raise DataError(where, "no turn of the user")
    if not all(re.search(r"\S", question) for question in questions):
        raise DataError(where, "a turn of the user is empty")
    return Dialogue(row.conversation_id, questions)
