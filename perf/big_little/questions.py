"""Multiple-choice questions as chats, and the letter of an answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

LETTERS = "ABCDEFGH"
_LETTER = re.compile(rf"\b([{LETTERS}])\b")


@dataclass(frozen=True, slots=True)
class Item:
    """`prompt` is the user's turn, `letter` the right choice."""

    prompt: str
    letter: str


def read_items(path: Path, count: int) -> list[Item]:
    """The first `count` multiple-choice items of each source in turns."""
    rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines() if line.strip()]
    by_source: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] == "mc":
            by_source.setdefault(row["source"], []).append(row)
    turns = [row for group in zip(*by_source.values(), strict=False) for row in group]
    return [_item(row["question"], row["choices"], row["answer"]) for row in turns[:count]]


def _item(question: str, choices: Sequence[str], answer: int) -> Item:
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
    asked = "Say the letter of the right choice, then explain it in one sentence."
    return Item(f"{question}\n{listed}\n{asked}", LETTERS[answer])


def letter_of(text: str) -> str:
    """The first letter of a choice in an answer; "" without one, which is a wrong answer."""
    found = _LETTER.search(text)
    return found[1] if found else ""
